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
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        encoded = part.encode()
        digest.update(len(encoded).to_bytes(4, "big"))
        digest.update(encoded)
    return digest.hexdigest()
