"""Reading the headers of Kafka records, which are a list of pairs, and saying why one cannot be read."""

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from shared.kernel.errors import MalformedError

Headers = Iterable[tuple[str, bytes]]

LARGEST = 2**63 - 1
"""The largest whole number that PostgreSQL stores."""

_LONGEST = len(str(LARGEST))
_NOT_WHOLE = f"must be a whole number from 0 to {LARGEST}"

T = TypeVar("T")


class UndecodableError(MalformedError):
    """A record that no retry can make readable: it goes to the dead letters, with this reason."""

    slug = "undecodable"


def texts(headers: Headers) -> dict[str, str]:
    """Header values as text. Of a header that comes twice the last one counts."""
    try:
        return {name: value.decode() for name, value in headers}
    except (UnicodeDecodeError, AttributeError, TypeError, ValueError):
        raise UndecodableError("A header is not text in UTF-8.") from None


def required(said: Mapping[str, str], name: str, read: Callable[[str], T]) -> T:
    """A header, read by `read`, whose ValueError becomes an UndecodableError."""
    if name not in said:
        raise UndecodableError(f"The header {name} is missing.")
    try:
        return read(said[name])
    except ValueError:
        raise UndecodableError(f"The header {name} cannot be read.") from None


def whole(text: str) -> int:
    """A whole number from 0 to LARGEST. Raises ValueError."""
    if len(text) > _LONGEST or not (text.isascii() and text.isdecimal()) or (text[0] == "0" and text != "0"):
        raise ValueError(_NOT_WHOLE)
    number = int(text)
    if number > LARGEST:
        raise ValueError(_NOT_WHOLE)
    return number


def positive(text: str) -> int:
    """A whole number from 1 to LARGEST. Raises ValueError."""
    if text == "0":
        raise ValueError("must be at least 1")
    return whole(text)
