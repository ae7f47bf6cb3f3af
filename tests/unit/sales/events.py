"""What tests let a source say: one value for the journal of a pure test and for the records of a real stream."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from shared.kernel.journal import Assertion, Stamp, Value
from shared.sales.references import Key


@dataclass(frozen=True, slots=True)
class Event:
    """One revision of one event. `since` makes it reference data that hold from a business date on."""

    kind: str
    id: str
    event_id: str
    occurred_at: datetime
    known_on: date
    fields: Mapping[str, Value] = field(default_factory=dict)
    ended: bool | None = None
    since: date | None = None
    sequence: int = 0
    source: str = "/crm"
    revision: int = 0

    @property
    def key(self) -> Key:
        return Key(self.kind, self.id)

    @property
    def is_deal(self) -> bool:
        return self.kind == "deal"

    @property
    def stamp(self) -> Stamp:
        return Stamp(self.occurred_at, self.sequence, self.source, self.event_id)

    def assertion(self) -> Assertion:
        return Assertion(self.stamp, self.known_on, self.fields, self.ended, self.since, self.revision)
