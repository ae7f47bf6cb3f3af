"""A company, and short words to tell its story in: assertions as ingest would hand them over."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from services.metrics.domain.ledgers import LEDGERS
from services.metrics.handlers import fold
from shared.kernel.journal import Assertion, Journal, Stamp, Value, merge
from shared.kernel.ledger import Cell, Cells, Measures, added
from shared.kernel.period import Calendar
from shared.sales.company import Company, Pipelines
from shared.sales.references import Key, References

COMPANY = Company(Calendar(ZoneInfo("UTC")), "USD", Pipelines(), date(2026, 1, 1))
SHANGHAI = Company(Calendar(ZoneInfo("Asia/Shanghai"), 4), "CNY", Pipelines(), date(2026, 1, 1))


def at(day: str | date, hour: int = 12) -> datetime:
    """An instant of that day, UTC."""
    return datetime.combine(date.fromisoformat(day) if isinstance(day, str) else day, time(hour), UTC)


def said(
    day: str | date, event: str, *, known: str | date | None = None, ended: bool | None = None,
    since: str | None = None, hour: int = 12, **fields: Value,
) -> Assertion:  # fmt: skip
    """What the event said; known on the day it happened unless told otherwise."""
    learned = known or day
    return Assertion(
        Stamp(at(day, hour), 0, "crm", event),
        date.fromisoformat(learned) if isinstance(learned, str) else learned,
        fields,
        ended,
        date.fromisoformat(since) if since else None,
    )


def usd(amount: str) -> Mapping[str, Value]:
    return {"amount": amount, "currency": "USD"}


def references(**told: Mapping[str, Journal | list[Assertion]]) -> References:
    """`references(member={"ann": [said(…)]}, exchange_rate={…})`."""
    return References(
        {
            Key(kind.replace("_", "-"), name): merge((), journal)
            for kind, journals in told.items()
            for name, journal in journals.items()
        }
    )


def posted(
    kind: str, *events: Assertion, references: References | None = None, company: Company = COMPANY, entity: str = "X-1"
) -> Cells:
    """What the entity ought to have posted after these events."""
    return fold(company, Key(kind, entity), merge((), events), references or References()).owed


def total(
    cells: Cells, fact: str, *, until: str | None = None, known: str | None = None, **where: Value
) -> Measures | None:
    """The sum over all cells of a fact up to `until` as known at `known`; None if there is nothing."""
    hits = [
        measures
        for cell, measures in cells.items()
        if cell.fact == fact
        and (until is None or cell.day <= date.fromisoformat(until))
        and (known is None or cell.known_on <= date.fromisoformat(known))
        and _stands(cell, where)
    ]
    if not hits:
        return None
    result = hits[0]
    for measures in hits[1:]:
        result = added(result, measures)
    return result if any(result) else None


def _stands(cell: Cell, where: Mapping[str, Value]) -> bool:
    place = LEDGERS[cell.ledger].dimensions(*cell.dimensions)  # type: ignore[arg-type]
    return all(getattr(cell if name == "day" else place, name) == value for name, value in where.items())


def now(cells: Cells) -> dict[tuple[str, date, object], Measures]:
    """The cells as known now: summed over all days of learning."""
    result: dict[tuple[str, date, object], Measures] = {}
    for cell, measures in cells.items():
        key = (cell.fact, cell.day, cell.dimensions)
        result[key] = added(result[key], measures) if key in result else measures
    return {key: measures for key, measures in result.items() if any(measures)}
