"""A candidate is a checked event that asks to be accepted; an outcome says what became of it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import blake2b

from shared.kernel.errors import QuintantError


@dataclass(frozen=True, slots=True)
class Candidate:
    """One event, checked against its contract and made canonical."""

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
        texts = (self.entity, self.subject, self.occurred_at.isoformat(), str(self.sequence))
        parts = (*(text.encode() for text in texts), self.public, self.personal or b"")
        framed = b"".join([piece for part in parts for piece in (len(part).to_bytes(4, "big"), part)])
        return blake2b(framed, digest_size=16).digest()


class Status(StrEnum):
    """What became of a candidate."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    QUARANTINED = "quarantined"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer for one event. `places` are (generation, partition, number), under which it is published."""

    source: str | None
    id: str | None
    status: Status
    places: tuple[tuple[int, int, int], ...] = ()
    error: QuintantError | None = None
    quarantine_id: str | None = None
