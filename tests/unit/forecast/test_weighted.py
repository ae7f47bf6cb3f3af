"""The weighted pipeline, to the cent."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.forecast.domain.weighted import OpenDeal, weigh
from services.forecast.domain.winning import Place, Probability, Source
from shared.kernel.errors import CurrencyMismatchError
from shared.kernel.money import Money

PLACE = Place("direct", "proposal")


def said(value: str) -> Probability:
    return Probability(Decimal(value), Source.CONFIGURATION, 0)


def deal(name: str, amount: str | None, currency: str = "USD") -> OpenDeal:
    return OpenDeal(name, PLACE, 3, None if amount is None else Money(Decimal(amount), currency))


def test_ten_thousand_at_seventy_percent_counts_seven_thousand() -> None:
    pipeline = weigh([deal("D1", "10000")], lambda _: said("0.7"), "USD")
    assert pipeline.weighted == Money(Decimal(7000), "USD")
    assert pipeline.amount == Money(Decimal(10000), "USD")


def test_what_cannot_be_counted_is_named() -> None:
    chances = {"D1": said("0.5"), "D2": said("0.5"), "D3": None}
    pipeline = weigh([deal("D1", "100"), deal("D2", None), deal("D3", "9")], lambda one: chances[one.deal], "USD")
    assert pipeline.weighted == Money(Decimal(50), "USD")
    assert pipeline.amount == Money(Decimal(100), "USD")
    assert (pipeline.without_amount, pipeline.without_probability) == (("D2",), ("D3",))


def test_an_empty_pipeline_is_worth_nothing() -> None:
    assert weigh([], lambda _: said("1"), "EUR").weighted == Money(Decimal(0), "EUR")


def test_refuses_a_second_currency() -> None:
    with pytest.raises(CurrencyMismatchError):
        weigh([deal("D1", "1"), deal("D2", "1", "EUR")], lambda _: said("1"), "USD")


@given(st.lists(st.tuples(st.decimals("-1e12", "1e12", places=4), st.decimals(0, 1, places=6)), max_size=20))
def test_contributions_sum_exactly(pairs: list[tuple[Decimal, Decimal]]) -> None:
    deals = [OpenDeal(str(i), PLACE, None, Money(amount, "USD")) for i, (amount, _) in enumerate(pairs)]
    chance = {str(i): Probability(share, Source.STAGE, 9) for i, (_, share) in enumerate(pairs)}
    forward = weigh(deals, lambda one: chance[one.deal], "USD")
    backward = weigh(reversed(deals), lambda one: chance[one.deal], "USD")
    exact = sum(int(amount * 10**4) * int(share * 10**6) for amount, share in pairs)
    assert int(forward.weighted.amount.scaleb(10)) == exact
    assert forward.weighted == backward.weighted
    assert sum((one.weighted for one in forward.deals), start=Money(Decimal(0), "USD")) == forward.weighted
