from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.metrics.domain.figures import (
    columns_of,
    counted_columns,
    divided,
    part_sum,
    plus,
    quotient,
    rounded,
    times,
    total,
)
from services.metrics.domain.inquiry import View
from services.metrics.domain.kpis import CATALOGUE
from services.metrics.domain.kpis.declaration import Measure, Part, Quotient, Term
from services.metrics.domain.ledgers import CASH, DEALS, TRADE

AMOUNTS = st.decimals(-(10**15), 10**15, places=6)


@given(st.lists(AMOUNTS | st.integers(-(10**18), 10**18), max_size=20))
def test_sums_and_products_are_exact_whatever_the_thread_thinks(numbers: list[Decimal | int]) -> None:
    with localcontext(prec=3):
        assert Fraction(total(numbers)) == sum(map(Fraction, numbers))
        for number in numbers:
            assert Fraction(times(number, Decimal("1.000001"))) == Fraction(number) * Fraction("1.000001")


@given(AMOUNTS, AMOUNTS.filter(bool))
def test_a_quotient_is_rounded_once_half_even(numerator: Decimal, denominator: Decimal) -> None:
    told = divided(numerator, denominator, 10)
    assert told is not None
    assert Fraction(told) == Fraction(round(Fraction(numerator) / Fraction(denominator) * 10**10), 10**10)


def test_half_goes_to_even() -> None:
    assert [rounded(Decimal(text), 0) for text in ("0.5", "1.5", "2.5", "-0.5")] == [0, 2, 2, 0]


def test_nothing_is_divided_by_zero() -> None:
    assert divided(1, 0, 2) is None
    assert divided(Decimal(1), Decimal("0.00"), 2) is None


def test_a_part_adds_and_takes_away() -> None:
    part = Part("revenue", TRADE, (Term(1, "ordered", Measure.VALUE), Term(-1, "returned", Measure.VALUE)))
    facts = {("ordered", "value"): Decimal("10.10"), ("returned", "value"): Decimal("0.20")}
    assert part_sum(part, facts, View.BASE) == Decimal("9.90")
    assert part_sum(part, {}, View.BASE) == 0


def test_what_has_no_value_is_not_counted_among_the_valued() -> None:
    part = Part("deals", DEALS, (Term(1, "won", Measure.VALUED),))
    facts = {
        ("won", "deals"): 10,
        ("won", "unvalued"): 2,
        ("won", "unconverted"): 3,
        ("won", "unconverted_constant"): 4,
    }
    assert [part_sum(part, facts, view) for view in (View.BASE, View.CONSTANT, View.ORIGINAL)] == [5, 4, 8]


@pytest.mark.parametrize(
    ("ledger", "measure", "view", "expected"),
    [
        (DEALS, Measure.COUNT, View.BASE, {"deals"}),
        (TRADE, Measure.COUNT, View.BASE, {"documents"}),
        (CASH, Measure.COUNT, View.BASE, {"payments"}),
        (CASH, Measure.VALUE, View.BASE, {"value"}),
        (CASH, Measure.VALUE, View.CONSTANT, {"constant"}),
        (CASH, Measure.VALUE, View.ORIGINAL, {"original"}),
        (DEALS, Measure.DAYS, View.BASE, {"days"}),
        (TRADE, Measure.COST, View.BASE, {"cost"}),
        (DEALS, Measure.VALUED, View.CONSTANT, {"deals", "unvalued", "unconverted_constant"}),
    ],
)
def test_each_measure_reads_its_columns(ledger: type, measure: Measure, view: View, expected: set[str]) -> None:
    assert columns_of(ledger, (measure,), view) == expected  # type: ignore[arg-type]


def test_only_what_can_be_missing_is_counted() -> None:
    assert counted_columns(CATALOGUE["deals-won-count"], DEALS, View.BASE) == {}
    assert set(counted_columns(CATALOGUE["deals-won-value"], DEALS, View.BASE)) == {
        "estimated", "unvalued", "unconverted",
    }  # fmt: skip
    assert set(counted_columns(CATALOGUE["gross-profit"], TRADE, View.BASE)) == {"unvalued", "unconverted", "uncosted"}
    assert set(counted_columns(CATALOGUE["collections"], CASH, View.ORIGINAL)) == set()


def test_a_quotient_of_products() -> None:
    one, other = (Part(name, DEALS, (Term(1, "won", Measure.COUNT),)) for name in ("one", "other"))
    assert quotient(Quotient((one, one), (other,)), {"one": 3, "other": 4}, 2) == Decimal("2.25")
    assert quotient(Quotient((one,), (other,)), {"one": 3, "other": 0}, 2) is None


def test_whole_numbers_stay_whole() -> None:
    assert plus(1, 2) == 3
    assert isinstance(plus(1, 2), int)
