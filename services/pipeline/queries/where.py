"""How a selection becomes SQL: constants of this module, and a parameter for every value."""

from datetime import date

from services.pipeline.domain.facts import Facts
from services.pipeline.domain.selection import Moment, Selection
from services.pipeline.domain.stages import entered_before
from shared.kernel.period import Calendar

VISIBLE = """FROM deal_state s JOIN position p ON p.partition = s.partition
  AND s.from_number <= p.number AND (s.until_number IS NULL OR s.until_number > p.number)"""
"""What a reader at these positions may see: never half a refold."""
FACTS = ", ".join(f"s.{name}" for name in Facts._fields)
"""The columns of `Facts`, in its order."""

_EQUAL = {
    "pipeline": "s.pipeline",
    "stage": "s.stage",
    "owner": "s.owner_id",
    "team": "s.team",
    "region": "s.region",
    "customer": "s.customer_id",
    "product": "s.product_id",
    "channel": "s.channel_id",
    "business_line": "s.business_line",
}
_RANGES = {
    "amount_min": "s.base_value >= {}",
    "amount_max": "s.base_value <= {}",
    "created_from": "s.created_on >= {}",
    "created_to": "s.created_on <= {}",
    "expected_close_from": "s.expected_close_on >= {}",
    "expected_close_to": "s.expected_close_on <= {}",
}
_MISSING = {
    "customer": "s.customer_id IS NULL",
    "owner": "s.owner_id IS NULL",
    "product": "s.product_id IS NULL",
    "amount": "(s.amount IS NULL OR s.estimated)",
}


class Where:
    """Collects conditions and their parameters. Only constants of this module become SQL, never a value."""

    def __init__(self) -> None:
        self.values: list[object] = []
        self._conditions: list[str] = []

    def add(self, condition: str, *values: object) -> None:
        """A condition with `{}` for each value."""
        places = []
        for value in values:
            self.values.append(value)
            places.append(f"${len(self.values)}")
        self._conditions.append(condition.format(*places))

    def known(self, known_at: date | None) -> None:
        """Only what was known at the end of that day."""
        if known_at is None:
            self.add("s.known_until IS NULL")
        else:
            self.add("s.known_from <= {}", known_at)
            self.add("(s.known_until IS NULL OR s.known_until > {})", known_at)

    def at(self, moment: Moment) -> None:
        """Only what was true at that instant."""
        self.known(moment.known_at)
        self.add("s.valid_from <= {}", moment.at)
        self.add("(s.valid_until IS NULL OR s.valid_until > {})", moment.at)

    def __str__(self) -> str:
        return " AND ".join(self._conditions)


def selected(moment: Moment, selection: Selection, calendar: Calendar) -> Where:
    where = Where()
    where.at(moment)
    where.add("s.outcome = ANY({}::text[])", [one.value for one in selection.outcomes])
    for name, column in _EQUAL.items():
        if wanted := getattr(selection, name):
            where.add(f"{column} = ANY({{}}::text[])", list(wanted))
    for name, condition in _RANGES.items():
        if (bound := getattr(selection, name)) is not None:
            where.add(condition, bound)
    for name in selection.missing:
        where.add(_MISSING[name])
    if selection.in_stage_longer_than is not None:
        before = entered_before(calendar, moment.at, selection.in_stage_longer_than)
        if before is None:
            where.add("false")
        else:
            where.add("s.entered_stage_at < {}", before)
    return where
