"""Which questions summaries can answer, and that declarations name columns that exist."""

import pytest

from services.metrics.domain.ledgers import CASH, DEALS, LEDGERS, TRADE
from services.metrics.domain.slices import SLICES
from services.metrics.handlers import handler
from tests.unit.metrics_write.company import COMPANY
from tests.unit.metrics_write.stories import KINDS


@pytest.mark.parametrize(
    ("ledger", "dimensions", "single"),
    [
        (DEALS, set(), ""),
        (DEALS, {"stage", "currency"}, ""),
        (DEALS, {"stage", "team"}, "team"),
        (DEALS, {"team", "product"}, None),
        (DEALS, {"days"}, None),
        (DEALS, {"customer"}, None),
        (TRADE, {"customer", "unit"}, "customer"),
        (CASH, {"customer", "instrument", "related"}, "customer"),
        (CASH, {"document"}, None),
    ],
)
def test_one_dimension_at_a_time(ledger: object, dimensions: set[str], single: str | None) -> None:
    slices = next(one for one in SLICES.values() if one.ledger is ledger)
    assert slices.answers(dimensions) == single


@pytest.mark.parametrize("name", LEDGERS)
def test_every_ledger_is_summarised_by_columns_that_it_has(name: str) -> None:
    slices = SLICES[name]
    assert slices.table == name.replace("_postings", "_summary")
    assert {*slices.kept, *slices.single} <= slices.ledger.dimension_types.keys()
    assert not set(slices.kept) & set(slices.single)


def test_everything_that_is_folded_has_a_fold() -> None:
    made = handler(COMPANY)
    assert made.kinds == set(KINDS)
    assert made.ledgers == LEDGERS
    assert made.say((), None) == ()  # type: ignore[arg-type]
