"""Worst, most likely and best case: three quantiles of one stated distribution, not three opinions."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate
from math import sqrt

from services.forecast.domain.quantiles import LEVELS, Quantiles
from services.forecast.domain.weighted import WeightedDeal
from shared.kernel.errors import InvalidInputError
from shared.kernel.money import EXACT, Money

MOST_ATOMS = 4_096
"""A pipeline with more different totals than this is counted on a grid."""

_STEPS_PER_DEVIATION = 128
_NEGLIGIBLE = 1e-15
_ROUNDING = 1e-12
"""Sums of masses are off by less than this, and must not push a quantile to the next total."""


@dataclass(frozen=True, slots=True)
class Scenarios:
    """`worst`: a total that is missed in one case of ten. `most_likely`: the median, missed as often as passed.
    `best`: a total that is passed in one case of ten. They are the 10, 50 and 90 % quantiles.
    """

    worst: Decimal
    most_likely: Decimal
    best: Decimal
    quantiles: Quantiles

    @classmethod
    def of(cls, quantiles: Quantiles) -> "Scenarios":
        """The scenarios of anything that was forecast in quantiles, such as one period of a series."""
        worst, best = quantiles.interval(Decimal("0.80"))
        return cls(worst, quantiles.median, best, quantiles)


def pipeline_scenarios(deals: Iterable[WeightedDeal], already_won: Money) -> Scenarios:
    """The value won in the end, `already_won` included, if each deal is won with its probability whatever others do.

    Deals that share a market do sway each other, so reality is wider than this; the mean is the weighted pipeline.
    Raises `CurrencyMismatchError` for a deal in another currency than `already_won`.
    """
    open_deals = list(deals)
    sum((deal.amount for deal in open_deals), start=already_won)  # refuses a second currency
    totals = value_distribution((deal.amount.amount, deal.probability.value) for deal in open_deals)
    return Scenarios.of(Quantiles(tuple(EXACT.add(already_won.amount, value) for value in quantiles_of(totals))))


def value_distribution(bets: Iterable[tuple[Decimal, Decimal]]) -> Mapping[Decimal, float]:
    """The probability of each total of independent bets (amount, probability): exact, a weighted Poisson-binomial.

    With more than `MOST_ATOMS` different totals, amounts are rounded to a grid of 1/128 standard deviation such that
    the mean stays. No randomness, and the same answer for any order of the bets.
    """
    certain = Decimal(0)
    risky: list[tuple[Decimal, float]] = []
    for amount, chance in bets:
        if not 0 <= chance <= 1:
            raise InvalidInputError(f"{chance} is no probability: give a fraction from 0 to 1")
        if amount < 0:  # losing a negative deal is winning its reverse
            certain, amount, chance = EXACT.add(certain, amount), amount.copy_negate(), 1 - chance
        if chance == 1:
            certain = EXACT.add(certain, amount)
        elif chance > 0 and amount > 0:
            risky.append((amount, float(chance)))
    risky.sort()  # the same additions whatever the order, and the wide arrays of large deals come last
    totals = _exact(risky) or _on_grid(risky)
    return {EXACT.add(certain, total): totals[total] for total in sorted(totals)}


def _exact(bets: list[tuple[Decimal, float]]) -> dict[Decimal, float] | None:
    totals = {Decimal(0): 1.0}
    for amount, chance in bets:
        grown = {total: mass * (1 - chance) for total, mass in totals.items()}
        for total, mass in totals.items():
            reached = EXACT.add(total, amount)
            grown[reached] = grown.get(reached, 0.0) + mass * chance
        if len(grown) > MOST_ATOMS:
            return None
        totals = grown
    return totals


def _on_grid(bets: list[tuple[Decimal, float]]) -> dict[Decimal, float]:
    deviation = sqrt(sum(float(amount) ** 2 * chance * (1 - chance) for amount, chance in bets))
    step = Decimal(f"{deviation / _STEPS_PER_DEVIATION:.3g}")
    first, masses, owed = 0, [1.0], 0.0
    for amount, chance in bets:
        exact = float(amount / step)
        units = int(exact) + (owed > 0)  # up or down, whichever pays back what rounding owes the mean
        owed += chance * (exact - units)
        gap = [0.0] * units
        masses = [
            low * (1 - chance) + high * chance for low, high in zip([*masses, *gap], [*gap, *masses], strict=True)
        ]
        first, masses = _trimmed(first, masses)
    return {EXACT.multiply(step, Decimal(first + place)): mass for place, mass in enumerate(masses)}


def _trimmed(first: int, masses: list[float]) -> tuple[int, list[float]]:
    """Without the negligible ends, which would make the work grow with the square of the deals."""
    start = next(place for place, mass in enumerate(masses) if mass > _NEGLIGIBLE)
    stop = next(place for place in range(len(masses), 0, -1) if masses[place - 1] > _NEGLIGIBLE)
    return first + start, masses[start:stop]


def quantiles_of(totals: Mapping[Decimal, float]) -> tuple[Decimal, ...]:
    """At each of `LEVELS` the smallest total that is not exceeded with at least that probability; totals rise."""
    reached = list(zip(accumulate(totals.values()), totals, strict=True))
    whole = reached[-1][0]
    return tuple(next(total for mass, total in reached if mass >= float(level) * whole - _ROUNDING) for level in LEVELS)
