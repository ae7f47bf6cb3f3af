"""From a row to the draft of one event, checked against its contract."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import msgspec

from services.ingest.imports.binding import BoundBranch, DetailTable, RefusedError, Spot, bind, column_of, truths
from services.ingest.imports.cell_values import CellError
from services.ingest.imports.mapping import Template
from services.ingest.imports.outcomes import Draft
from services.ingest.imports.scope import Scope
from services.ingest.imports.values import Calendar, Cells, Value, as_text
from shared.contracts.entities import ENTITIES, decode_data
from shared.contracts.envelope import MAX_EVENT_BYTES
from shared.contracts.events.data import EntityData
from shared.contracts.values import write_instant
from shared.kernel.errors import QuintantError
from shared.kernel.ids import derived_id

_encode = msgspec.json.Encoder().encode
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LONGEST_ID = 255


@dataclass(frozen=True, slots=True)
class Stamp:
    """What all events of one import share."""

    source: str
    as_of: datetime
    """When the files were exported, as the caller or the mapping says it, not shifted."""
    calendar: Calendar

    @property
    def sequence(self) -> int:
        """Microseconds since 1970."""
        return (self.as_of - _EPOCH) // _MICROSECOND

    def event_id(self, part: str, subject: str) -> str:
        """Part, id of the entity and as-of instant; an id that would be too long is derived."""
        suffix = f"@{write_instant(self.as_of)}"
        plain = f"{part}:{subject}{suffix}"
        return plain if len(plain) <= _LONGEST_ID else f"{part}:{derived_id(subject)}{suffix}"


class BoundTemplate:
    """A template made ready to run over the rows of one kind of file."""

    __slots__ = (
        "_entity",
        "_fields",
        "_id",
        "_latest",
        "_occurred_at",
        "_scope",
        "_stamp",
        "template",
        "when",
    )

    def __init__(self, template: Template, scope: Scope, stamp: Stamp, details: Mapping[str, DetailTable]) -> None:
        self.template = template
        self.when = truths(template.when, scope)
        self._entity = ENTITIES[template.entity]
        self._id = bind(template.id, scope)
        self._occurred_at = bind(template.occurred_at, scope)
        self._fields = BoundBranch(template.fields, scope, stamp.calendar, details)
        self._stamp = stamp
        self._latest = stamp.calendar.instant(stamp.as_of)
        self._scope = scope

    def draft(self, cells: Cells, file: str, row: int | None) -> Draft:
        """What the row says. Raises RefusedError."""
        data = self._data(cells)
        return Draft(
            entity=self.template.entity,
            source=self._stamp.source,
            id=self._stamp.event_id(self.template.part, data.id),
            occurred_at=self._moment(cells),
            sequence=self._stamp.sequence,
            data=data,
            file=file,
            row=row,
        )

    def moment_said(self, cells: Cells) -> Value:
        """When it happened, as the row says it: neither shifted nor put into a zone."""
        return self._occurred_at(cells)

    def _moment(self, cells: Cells) -> datetime:
        value = self.moment_said(cells)
        column = column_of(self.template.occurred_at)
        if not isinstance(value, date):
            raise RefusedError(column, "is blank, and it says when this happened")
        try:
            instant = self._stamp.calendar.instant(value)
        except CellError as error:
            raise RefusedError(column, str(error)) from None
        if instant > self._latest:
            self._scope.tally.note("after-as-of", f"{column}: lies after the as-of instant of this import")
        return instant

    def _data(self, cells: Cells) -> EntityData:
        subject = self._id(cells)
        if subject is None:
            raise RefusedError(column_of(self.template.id), f"is blank, and it is the id of the {self.template.entity}")
        encoded = _encode({"id": as_text(subject), **self._fields.said(cells)})
        if len(encoded) > MAX_EVENT_BYTES:
            raise RefusedError(None, f"says more than {MAX_EVENT_BYTES:,} bytes")
        try:
            return decode_data(self._entity, encoded)
        except QuintantError as error:
            raise self._refusal(error, cells) from None

    def _refusal(self, error: QuintantError, cells: Cells) -> RefusedError:
        """The contract's first fault, at the column from which the value came."""
        if not error.faults:
            return RefusedError(None, error.detail)
        fault = error.faults[0]
        pointer = [token.replace("~1", "/").replace("~0", "~") for token in fault.where.split("/")[1:]]
        name = pointer[0] if pointer else ""
        spot = Spot(column_of(self.template.id)) if name == "id" else self._fields.locate(pointer, cells)
        more = f" (and {len(error.faults) - 1} more)" if error.faults[1:] else ""
        return RefusedError(spot.column, f"{name} {fault.reason}{more}".strip(), spot.place)
