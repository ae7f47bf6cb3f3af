"""Which questions summaries can answer, and that declarations name columns that exist."""

import pytest

from services.metrics.domain.ledgers import CASH, DEALS, LEDGERS, TRADE
from services.metrics.domain.slices import SLICES
from services.metrics.handlers import handler
from tests.unit.metrics_write.company import COMPANY
from tests.unit.metrics_write.stories import KINDS


@pytest.mark.parametrize(
    ("ledger", "dimensions", "cut"),
    [
        (DEALS, set(), ""),
        (DEALS, {"stage", "pipeline"}, ""),
        (DEALS, {"stage", "currency"}, "currency"),
        (DEALS, {"stage", "team"}, "team"),
        (DEALS, {"currency", "team"}, "team+currency"),
        (DEALS, {"category", "team"}, "team+category"),
        (DEALS, {"team", "product"}, None),
        (DEALS, {"team", "category", "channel"}, None),
        (DEALS, {"days"}, "days"),
        (DEALS, {"days", "team"}, "team+days"),
        (DEALS, {"days", "member"}, None),
        (DEALS, {"customer"}, None),
        (TRADE, {"customer", "unit"}, "customer+currency"),
        (TRADE, {"customer", "currency"}, "customer+currency"),
        (CASH, {"customer", "instrument", "related"}, "customer+currency"),
        (CASH, {"document"}, None),
    ],
)
def test_the_cut_with_the_fewest_sums_is_read(ledger: object, dimensions: set[str], cut: str | None) -> None:
    slices = next(one for one in SLICES.values() if one.ledger is ledger)
    found = slices.cut_for(dimensions, ["won", "lost"])
    assert (found.name if found else None) == cut


def test_a_cut_of_some_facts_answers_for_no_others() -> None:
    deals = SLICES[DEALS.name]
    assert deals.cut_for({"days"}, ["lost"]) is not None
    assert deals.cut_for({"days"}, ["won", "open"]) is None


@pytest.mark.parametrize("name", LEDGERS)
def test_every_ledger_is_summarised_by_columns_that_it_has(name: str) -> None:
    slices = SLICES[name]
    assert slices.table == name.replace("_postings", "_summary")
    for cut in slices.cuts:
        assert {*slices.kept, *cut.dimensions} <= slices.ledger.dimension_types.keys()
        assert not set(slices.kept) & set(cut.dimensions)
    assert len({cut.name for cut in slices.cuts}) == len(slices.cuts)


@pytest.mark.parametrize("name", LEDGERS)
def test_cuts_that_are_summed_together_need_the_same_postings(name: str) -> None:
    for family in SLICES[name].families:
        assert len({(cut.facts, cut.of_now) for cut in family}) == 1


def test_everything_that_is_folded_has_a_fold() -> None:
    made = handler(COMPANY)
    assert made.kinds == set(KINDS)
    assert made.ledgers == LEDGERS
    assert made.say((), None) == ()  # type: ignore[arg-type]
