from datetime import date
from decimal import Decimal

from services.metrics.domain.evidence import number_of, stretches
from services.metrics.domain.inquiry import Asked, inquire
from services.metrics.domain.kpis import CATALOGUE
from services.metrics.domain.spans import LAST_DAY

MARCH, JUNE = date(2026, 3, 1), date(2026, 6, 30)


def test_each_part_reaches_as_far_as_it_counts() -> None:
    asked = Asked(start=MARCH, end=JUNE)
    (flow,) = stretches(inquire(CATALOGUE["revenue"], asked))
    (stock,) = stretches(inquire(CATALOGUE["open-pipeline-value"], asked))
    assert (flow.start, flow.end) == (MARCH, JUNE)
    assert (stock.start, stock.end) == (None, JUNE)
    velocity = stretches(inquire(CATALOGUE["sales-velocity"], Asked(start=MARCH, end=JUNE, window=30)))
    assert [part.start for part in velocity] == [None, *[date(2026, 6, 1)] * 5]
    endless = stretches(inquire(CATALOGUE["sales-velocity"], Asked()))
    assert {(part.start, part.end) for part in endless} == {(None, LAST_DAY)}


def test_prepayments_are_told_as_positive_and_take_unclaimed_cash() -> None:
    owed = stretches(inquire(CATALOGUE["receivables"], Asked()))
    ahead = stretches(inquire(CATALOGUE["prepayments"], Asked()))
    assert [(part.part.name, part.of_accounts) for part in owed] == [("billed", True), ("settled", True)]
    assert [(part.part.name, part.of_accounts) for part in ahead] == [
        ("billed", True), ("settled", True), ("unclaimed", False),
    ]  # fmt: skip
    signs = [term.sign for part in owed for term in part.part.terms]
    assert [-term.sign for part in ahead[:2] for term in part.part.terms] == signs


def test_the_sums_of_the_parts_make_the_number() -> None:
    def number(slug: str, parts: dict[str, int]) -> object:
        return number_of(inquire(CATALOGUE[slug], Asked()), parts)

    assert number("order-count", {"orders": 3}) == 3
    assert number("win-rate-closed", {"won": 1, "closed": 4}) == Decimal("0.25")
    assert number("sales-cycle-won", {"days": 9, "deals": 2}) == Decimal("4.5")
    assert number("sales-cycle-won", {"days": 0, "deals": 0}) is None
    assert number("receivables", {"billed": 10, "settled": -4}) == 6
