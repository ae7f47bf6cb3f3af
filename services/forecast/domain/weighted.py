"""The weighted pipeline: every open deal at its amount times its probability. 10,000 at 70 % counts 7,000."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal

from services.forecast.domain.winning import Place, Probability
from shared.kernel.money import Money


@dataclass(frozen=True, slots=True)
class OpenDeal:
    """An open deal on some evening. `age_days` counts from its entry into the stage, `None` when that is undated."""

    deal: str
    place: Place
    age_days: int | None
    amount: Money | None


@dataclass(frozen=True, slots=True)
class WeightedDeal:
    """What one deal contributes."""

    deal: str
    place: Place
    amount: Money
    probability: Probability

    @property
    def weighted(self) -> Money:
        return self.amount.times(self.probability.value)


@dataclass(frozen=True, slots=True)
class WeightedPipeline:
    """The contributions, which sum to `weighted` exactly, and the deals that could not be counted."""

    weighted: Money
    amount: Money
    deals: tuple[WeightedDeal, ...]
    without_amount: tuple[str, ...]
    without_probability: tuple[str, ...]


def weigh(
    deals: Iterable[OpenDeal], probability: Callable[[OpenDeal], Probability | None], currency: str
) -> WeightedPipeline:
    """Σ amount × probability, exact. Raises `CurrencyMismatchError` for an amount in another currency.

    A deal without an amount or a probability is named, never counted as zero.
    """
    counted: list[WeightedDeal] = []
    without_amount: list[str] = []
    without_probability: list[str] = []
    for deal in deals:
        chance = probability(deal)
        if deal.amount is None:
            without_amount.append(deal.deal)
        elif chance is None:
            without_probability.append(deal.deal)
        else:
            counted.append(WeightedDeal(deal.deal, deal.place, deal.amount, chance))
    nothing = Money(Decimal(0), currency)
    return WeightedPipeline(
        sum((deal.weighted for deal in counted), start=nothing),
        sum((deal.amount for deal in counted), start=nothing),
        tuple(counted),
        tuple(without_amount),
        tuple(without_probability),
    )
