"""The kinds of values that run through an expression, and how they leave it as JSON or as text."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from zoneinfo import ZoneInfo

from services.ingest.imports.cell_values import CellError
from shared.contracts.values import FIRST_YEAR, LAST_YEAR, write_instant
from shared.kernel.money import plain

Cells = Sequence[str]
"""One row, trimmed; an empty text is a blank cell."""


class Kind(StrEnum):
    """What an expression gives, as far as can be said without a row."""

    TEXT = "text"
    DATE = "a date"
    INSTANT = "a time"
    DECIMAL = "a decimal"
    WHOLE = "a whole number"
    FLAG = "true or false"
    MONEY = "money"
    NULL = "null"


class Cleared:
    """Says that a field is cleared, where None leaves it unsaid."""

    __slots__ = ()


CLEARED = Cleared()

Amount = dict[str, str]
Value = str | bool | int | date | datetime | Decimal | Amount | Cleared | None
"""Dates and times as the file says them, not shifted; a datetime without zone is local time of the company."""
Run = Callable[[Cells], Value]


def as_text(value: Value) -> str:
    """The value as part of an id or a text: as the rows say it, never shifted."""
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, date | datetime) else str(value)


class Calendar:
    """Puts the dates of the rows where the import wants them: in the company's zone, moved by whole weeks."""

    __slots__ = ("_shift", "_zone")

    def __init__(self, zone: ZoneInfo, shift: timedelta) -> None:
        self._zone = zone
        self._shift = shift

    def day(self, value: date) -> date:
        """A business date. Raises CellError if it leaves the calendar."""
        try:
            return value + self._shift
        except OverflowError:
            raise CellError("is moved out of the calendar") from None

    def instant(self, value: date | datetime) -> datetime:
        """UTC; the start of the business day for a date. Weeks are added to local time, so days stay whole."""
        moment = value if isinstance(value, datetime) else datetime(value.year, value.month, value.day)  # noqa: DTZ001
        try:
            local = moment.astimezone(self._zone).replace(tzinfo=None) if moment.tzinfo else moment
            utc = (local + self._shift).replace(tzinfo=self._zone).astimezone(UTC)
        except OverflowError:
            raise CellError("is moved out of the calendar") from None
        if not FIRST_YEAR <= utc.year <= LAST_YEAR:
            raise CellError(f"must lie in the years {FIRST_YEAR} to {LAST_YEAR}")
        return utc

    def json(self, value: Value) -> object:
        """The value as it stands in the data of an event."""
        if isinstance(value, datetime):
            return write_instant(self.instant(value))
        if isinstance(value, date):
            return self.day(value).isoformat()
        if isinstance(value, Decimal):
            return plain(value)
        return None if isinstance(value, Cleared) else value
