"""A candidate is a checked event that asks to be accepted; an outcome says what became of it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import blake2b
from struct import Struct

from shared.kernel.errors import QuintantError

_framed = Struct(">I").pack


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
        entity, subject, at = self.entity.encode(), self.subject.encode(), self.occurred_at.isoformat().encode()
        sequence, public, personal = b"%d" % self.sequence, self.public, self.personal or b""
        framed = (
            *(_framed(len(entity)), entity, _framed(len(subject)), subject, _framed(len(at)), at),
            *(_framed(len(sequence)), sequence, _framed(len(public)), public, _framed(len(personal)), personal),
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
    """The answer for one event, never changed. `places` are (generation, partition, number), under which it is
    published."""

    source: str | None
    id: str | None
    status: Status
    places: tuple[tuple[int, int, int], ...] = ()
    error: QuintantError | None = None
    quarantine_id: str | None = None
