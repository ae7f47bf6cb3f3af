"""Identity: what an id may look like, new random ids, and ids derived from content."""

import hashlib
import re
import uuid

_ID = re.compile(r"[\x21-\x7e\u00a1-\uffef](?:[\x20-\x7e\u00a1-\uffef]{0,253}[\x21-\x7e\u00a1-\uffef])?")


def is_id(text: str) -> bool:
    """One to 255 printable characters, no control characters, no blank at either end."""
    return _ID.fullmatch(text) is not None


def new_id() -> str:
    """A random id, 32 hexadecimal digits."""
    return uuid.uuid4().hex  # noqa: TID251 - the one place


def derived_id(*parts: str) -> str:
    """The same parts give the same id, other parts another: 32 hexadecimal digits of BLAKE2b."""
    encoded = [part.encode() for part in parts]
    framed = b"".join([piece for part in encoded for piece in (len(part).to_bytes(4, "big"), part)])
    return hashlib.blake2b(framed, digest_size=16).hexdigest()
