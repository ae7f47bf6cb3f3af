"""A candidate is a checked event that asks to be accepted; an outcome says what became of it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from hashlib import blake2b
from struct import Struct

from shared.kernel.errors import QuintantError
from shared.kernel.tokens import Place

_length = Struct(">I").pack


def _framed(text: str) -> bytes:
    encoded = text.encode()
    return _length(len(encoded)) + encoded


# What many events have in common.
_framed_slug = lru_cache(maxsize=64)(_framed)
_framed_number = lru_cache(maxsize=64)(lambda number: _framed(str(number)))
_framed_utc = lru_cache(maxsize=1024)(lambda instant: _framed(instant.isoformat()))


@dataclass(slots=True)
class Candidate:
    """One event, checked against its contract and made canonical. Nothing changes it; that it were frozen would triple
    what it costs to make one, and every event is one."""

    entity: str
    source: str
    id: str
    subject: str
    occurred_at: datetime
    sequence: int
    public: bytes
    """Canonical JSON without personal fields: all that leaves ingest."""
    personal: bytes | None
    cause: str | None = None
    traceparent: str | None = None
    history: bool = False
    """Known when it occurred: the first import of a source (`known=occurred`)."""
    raw_id: str | None = None
    """Of bytes that are kept already, such as an imported file; else those of its submission."""
    raw_part: str | None = None
    """Where in the raw bytes it stands: the place in a batch, or file and row."""

    @property
    def identity(self) -> tuple[str, str]:
        return self.source, self.id

    @property
    def content(self) -> bytes:
        """A digest of everything that the source said: the same identity with another digest is a conflict."""
        at, subject, public, personal = self.occurred_at, self.subject.encode(), self.public, self.personal or b""
        framed = (
            *(_framed_slug(self.entity), _length(len(subject)), subject),
            # Equal instants of other offsets are written otherwise.
            _framed_utc(at) if at.tzinfo is UTC else _framed(at.isoformat()),
            *(_framed_number(self.sequence), _length(len(public)), public, _length(len(personal)), personal),
        )
        return blake2b(b"".join(framed), digest_size=16).digest()


class Status(StrEnum):
    """What became of a candidate."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    QUARANTINED = "quarantined"
    REJECTED = "rejected"


@dataclass(slots=True)
class Outcome:
    """The answer for one event, never changed. `places` are where it is published."""

    source: str | None
    id: str | None
    status: Status
    places: tuple[Place, ...] = ()
    error: QuintantError | None = None
    quarantine_id: str | None = None
