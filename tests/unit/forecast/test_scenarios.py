"""The distribution of a pipeline's value: exact where it can be, and close to simulation where it is counted on a
grid."""

import itertools
import math
import random
from collections import defaultdict
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.forecast.domain.quantiles import LEVELS, Quantiles
from services.forecast.domain.scenarios import (
    Scenarios,
    pipeline_scenarios,
    quantiles_of,
    value_distribution,
)
from services.forecast.domain.weighted import WeightedDeal
from services.forecast.domain.winning import Place, Probability, Source
from shared.kernel.errors import CurrencyMismatchError, InvalidInputError
from shared.kernel.money import Money
from tests.unit.forecast.series import seeded

Bet = tuple[Decimal, Decimal]
bets = st.lists(st.tuples(st.decimals(-1_000, 1_000, places=0), st.decimals(0, 1, places=2)), max_size=8)


def weighted(amount: str, chance: str, currency: str = "USD") -> WeightedDeal:
    money = Money(Decimal(amount), currency)
    return WeightedDeal("D", Place("direct", "proposal"), money, Probability(Decimal(chance), Source.STAGE, 40))


def brute_force(pairs: list[Bet]) -> dict[Decimal, float]:
    totals: dict[Decimal, float] = defaultdict(float)
    for outcome in itertools.product((True, False), repeat=len(pairs)):
        mass = math.prod(float(p) if won else 1 - float(p) for won, (_, p) in zip(outcome, pairs, strict=True))
        totals[sum((a for won, (a, _) in zip(outcome, pairs, strict=True) if won), start=Decimal(0))] += mass
    return {total: mass for total, mass in totals.items() if mass > 0}


@given(bets)
def test_few_deals_are_exact(pairs: list[Bet]) -> None:
    found, exact = value_distribution(pairs), brute_force(pairs)
    assert found.keys() >= exact.keys()
    for total, mass in found.items():
        assert mass == pytest.approx(exact.get(total, 0.0), abs=1e-12)


@given(bets, st.randoms(use_true_random=False))
def test_order_changes_no_digit(pairs: list[Bet], draw: random.Random) -> None:
    assert value_distribution(pairs) == value_distribution(draw.sample(pairs, len(pairs)))


def many(count: int, seed: int) -> list[Bet]:
    draw = seeded(seed)
    return [
        (Decimal(round(draw.lognormvariate(8, 1.2) * 100)).scaleb(-2), Decimal(draw.randrange(1, 100)).scaleb(-2))
        for _ in range(count)
    ]


def moments(totals: dict[Decimal, float]) -> tuple[float, float]:
    mean = math.fsum(float(total) * mass for total, mass in totals.items())
    return mean, math.fsum((float(total) - mean) ** 2 * mass for total, mass in totals.items())


@settings(max_examples=15)
@given(st.integers(14, 400), st.integers(0, 1_000))
def test_many_deals_keep_mean_and_spread(count: int, seed: int) -> None:
    pairs = many(count, seed)
    totals = dict(value_distribution(pairs))
    mean, variance = moments(totals)
    wanted = math.fsum(float(a * p) for a, p in pairs)
    spread = math.sqrt(math.fsum(float(a * a * p * (1 - p)) for a, p in pairs))
    steps = [float(after - before) for before, after in pairwise(sorted(totals))]
    assert min(steps) <= spread / 100, "the grid is as fine as it says: 128 steps a standard deviation"
    assert math.fsum(totals.values()) == pytest.approx(1, abs=1e-9)
    assert mean == pytest.approx(wanted, abs=spread / 100)
    assert math.sqrt(variance) == pytest.approx(spread, rel=0.01)


def test_many_deals_agree_with_simulation() -> None:
    """60,000 seeded runs put a quantile within about 0.02 standard deviations in the tails (3.3 sigma: 0.03)."""
    pairs = many(60, 7)
    draw = seeded(1)
    floats = [(float(a), float(p)) for a, p in pairs]
    runs = sorted(sum(a for a, p in floats if draw.random() < p) for _ in range(60_000))
    spread = math.sqrt(sum(a * a * p * (1 - p) for a, p in floats))
    for level, found in zip(LEVELS, quantiles_of(value_distribution(pairs)), strict=True):
        assert float(found) == pytest.approx(runs[int(float(level) * len(runs))], abs=0.05 * spread)


def test_thousands_of_deals_on_list_prices_are_not_biased_by_rounding() -> None:
    draw = seeded(3)
    pairs = [(Decimal(draw.choice(["54.99", "550.10", "1096.35", "26768"])), Decimal("0.6315")) for _ in range(2_000)]
    low, *_, median, _, _, high = quantiles_of(value_distribution(pairs))
    mean = sum(float(a * p) for a, p in pairs)
    spread = math.sqrt(sum(float(a * a * p * (1 - p)) for a, p in pairs))
    assert float(median) == pytest.approx(mean, abs=0.05 * spread)
    assert float(low) == pytest.approx(mean - 1.645 * spread, abs=0.1 * spread)
    assert float(high) == pytest.approx(mean + 1.645 * spread, abs=0.1 * spread)


def test_one_deal_is_won_or_not() -> None:
    found = pipeline_scenarios([weighted("10000", "0.7")], Money(Decimal(500), "USD"))
    assert [int(value) for value in (found.worst, found.most_likely, found.best)] == [500, 10_500, 10_500]
    assert [int(value) for value in found.quantiles.values] == [500, 500, 500, 10_500, 10_500, 10_500, 10_500]


def test_an_empty_pipeline_leaves_what_is_won() -> None:
    found = pipeline_scenarios([], Money(Decimal("12.34"), "USD"))
    assert set(found.quantiles.values) == {Decimal("12.34")}


def test_a_certain_deal_and_a_hopeless_one_carry_no_risk() -> None:
    assert value_distribution([(Decimal(7), Decimal(1)), (Decimal(9), Decimal(0)), (Decimal(0), Decimal("0.5"))]) == {
        Decimal(7): 1.0
    }


def test_scenarios_of_a_series_are_its_quantiles() -> None:
    quantiles = Quantiles(tuple(Decimal(value) for value in (5, 10, 25, 50, 75, 90, 95)))
    assert Scenarios.of(quantiles) == Scenarios(Decimal(10), Decimal(50), Decimal(90), quantiles)


def test_refuses_a_second_currency_and_no_probability() -> None:
    with pytest.raises(CurrencyMismatchError):
        pipeline_scenarios([weighted("1", "0.5", "EUR")], Money(Decimal(0), "USD"))
    with pytest.raises(InvalidInputError):
        value_distribution([(Decimal(1), Decimal("1.01"))])
