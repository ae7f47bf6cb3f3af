"""Identity: what an id may look like, new random ids, and ids derived from content."""

import hashlib
import itertools
import re
import uuid
from collections.abc import Callable

_ID = re.compile(r"[\x21-\x7e\u00a1-\uffef](?:[\x20-\x7e\u00a1-\uffef]{0,253}[\x21-\x7e\u00a1-\uffef])?")


def is_id(text: str) -> bool:
    """One to 255 printable characters, no control characters, no blank at either end."""
    return _ID.fullmatch(text) is not None


def new_id() -> str:
    """A random id, 32 hexadecimal digits."""
    return uuid.uuid4().hex  # noqa: TID251 - the one place


def id_series() -> Callable[[], str]:
    """Makes ids such as `new_id`, for what needs one every few microseconds: half of each is random, half counts on."""
    start, count = new_id(), itertools.count()
    first, rest = int(start[:16], 16), start[16:]
    return lambda: f"{(first + next(count)) & 0xFFFFFFFFFFFFFFFF:016x}{rest}"


def derived_id(*parts: str) -> str:
    """The same parts give the same id, other parts another: 32 hexadecimal digits of BLAKE2b."""
    encoded = [part.encode() for part in parts]
    framed = b"".join([piece for part in encoded for piece in (len(part).to_bytes(4, "big"), part)])
    return hashlib.blake2b(framed, digest_size=16).hexdigest()
