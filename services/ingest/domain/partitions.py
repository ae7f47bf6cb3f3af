"""Which partitions an event is published to: its own entity's, or all of them for reference data."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b


def partition_of(entity: str, subject: str, partitions: int) -> int:
    """The partition of an entity, the same for ever within one generation of the stream."""
    return _hash(entity, subject) % partitions


def _hash(entity: str, subject: str) -> int:
    return int.from_bytes(blake2b(f"{entity}/{subject}".encode(), digest_size=8).digest(), "big")


@dataclass(frozen=True, slots=True)
class Generation:
    """One generation of the stream. The inbox counts partitions on through all generations, as *slots*: those of a
    second generation begin with the number of partitions of the first."""

    number: int
    first: int
    """Slot of its partition 0."""
    partitions: int

    @property
    def slots(self) -> range:
        return range(self.first, self.first + self.partitions)


def homes_of(entity: str, subject: str, generations: Sequence[Generation]) -> list[int]:
    """The slot of an entity in each of them."""
    place = _hash(entity, subject)
    return [one.first + place % one.partitions for one in generations]


def slots_of(generations: Sequence[Generation]) -> list[int]:
    """The slots of all of them, in order."""
    return [slot for one in generations for slot in one.slots]


def place_of(generations: Sequence[Generation], slot: int) -> tuple[int, int]:
    """Generation and partition of a slot."""
    return next((one.number, slot - one.first) for one in generations if slot in one.slots)
