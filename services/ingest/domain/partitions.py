"""Which partitions an event is published to: its own entity's, or all of them for reference data."""

from hashlib import blake2b


def partition_of(entity: str, subject: str, partitions: int) -> int:
    """The partition of an entity, the same for ever within one generation of the stream."""
    digest = blake2b(f"{entity}/{subject}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % partitions
