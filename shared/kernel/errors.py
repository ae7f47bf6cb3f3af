"""The one tree of errors. What a message says is what its reader should do; the HTTP status is attached at the edge."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with an input. `where` is a JSON pointer, a parameter, a header or `row 7, column amount`."""

    where: str
    reason: str


class QuintantError(Exception):
    """Root of everything that Quintant raises on purpose. `slug` names the problem type for ever."""

    slug = "internal"

    def __init__(self, detail: str, *, faults: Sequence[Fault] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.faults = tuple(faults)


class MalformedError(QuintantError):
    """The bytes cannot be read at all: no JSON, no such encoding, a cursor made up by hand."""

    slug = "malformed"


class InvalidInputError(QuintantError):
    """Readable, but against the contract: a wrong type, an unknown field, a range that ends before it starts."""

    slug = "invalid"


class CurrencyMismatchError(InvalidInputError):
    """Two currencies were about to be added."""

    slug = "currency-mismatch"


class UnauthenticatedError(QuintantError):
    """No or wrong credentials; deliberately says no more."""

    slug = "unauthenticated"


class ForbiddenError(QuintantError):
    """Known caller, missing scope."""

    slug = "forbidden"


class NotFoundError(QuintantError):
    """No such thing, or not at that instant."""

    slug = "not-found"


class NotKnownError(QuintantError):
    """Asked about a day before anything was known: there is no answer, and it is not zero."""

    slug = "not-known"


class ConflictError(QuintantError):
    """The same identity was accepted before with other content."""

    slug = "conflict"


class TooLargeError(QuintantError):
    """More bytes, rows or nesting than the stated limit."""

    slug = "too-large"


class UnsupportedMediaTypeError(QuintantError):
    """A content type that this route does not read."""

    slug = "unsupported-media-type"


class UnavailableError(QuintantError):
    """A dependency is gone for now; the same call may succeed later."""

    slug = "unavailable"


class OtherRevisionError(UnavailableError):
    """The database schema is at another revision than this code needs: one of the two has to be brought up to date."""

    slug = "other-revision"


class BehindError(QuintantError):
    """The awaited events were not applied within the bound."""

    slug = "behind"


class StoppedError(QuintantError):
    """Going on would skip or invent something: a gap, a lost partition, too many dead letters. A person must look."""

    slug = "stopped"
