"""Reading the headers of Kafka records, which are a list of pairs, and saying why one cannot be read."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from shared.kernel.errors import MalformedError

Headers = Iterable[tuple[str, bytes]]

LARGEST = 2**63 - 1
"""The largest whole number that PostgreSQL stores."""

_SMALL = {str(number): number for number in range(100)}
"""Mostly epochs, revisions and sequences are among these."""
_LONGEST = len(str(LARGEST))
_NOT_WHOLE = f"must be a whole number from 0 to {LARGEST}"


class UndecodableError(MalformedError):
    """A record that no retry can make readable: it goes to the dead letters, with this reason."""

    slug = "undecodable"


def texts(headers: Headers) -> dict[str, str]:
    """Header values as text. Of a header that comes twice the last one counts."""
    try:
        return {name: value.decode() for name, value in headers}
    except (UnicodeDecodeError, AttributeError, TypeError, ValueError):
        raise UndecodableError("A header is not text in UTF-8.") from None


def required(said: Mapping[str, str], readers: Mapping[str, Callable[[str], object]]) -> list[Any]:
    """The headers that these readers are for, one value for each, in their order; all in one call, for every record has
    many. A missing header and a reader's ValueError become an UndecodableError."""
    values = []
    name = ""
    try:
        for name, read in readers.items():
            values.append(read(said[name]))
    except KeyError:
        raise UndecodableError(f"The header {name} is missing.") from None
    except ValueError:
        raise UndecodableError(f"The header {name} cannot be read.") from None
    return values


def whole(text: str) -> int:
    """A whole number from 0 to LARGEST. Raises ValueError."""
    if (small := _SMALL.get(text)) is not None:
        return small
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
