"""Whether win probabilities can be trusted and whether age helps them, judged on deals not seen by the estimate."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from math import fsum

from services.forecast.domain.coverage import Share, clopper_pearson
from services.forecast.domain.winning import ClosedDeal, Place, Rules, WinRates, learn
from shared.kernel.errors import InvalidInputError

LEAST_JUDGED = 30
"""A place with fewer judged deals keeps the stage's rate: too few to show that age helps."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What was said on `said_on` of a deal then open, with what came of it later."""

    deal: str
    place: Place
    said_on: date
    by_age: Decimal
    by_stage: Decimal
    won: bool


def judge(closed: Collection[ClosedDeal], rules: Rules, *, said_on: Iterable[date], as_of: date) -> tuple[Judged, ...]:
    """Go back to each evening of `said_on`, learn from what was closed by then, and judge the deals open then.

    A deal is judged once it is known on `as_of` how it ended; those still open are left out, which favours short deals.
    """
    judged: list[Judged] = []
    for evening in sorted(said_on):
        rates = learn(closed, rules, as_of=evening)
        for deal in closed:
            if deal.closed_on > evening and deal.is_known(as_of):
                judged.extend(_judge_one(deal, rates))
    return tuple(judged)


def _judge_one(deal: ClosedDeal, rates: WinRates) -> Iterable[Judged]:
    for visit in deal.visits:
        if visit.holds_on(rates.as_of):
            age = (rates.as_of - visit.entered_on).days
            by_age, by_stage = rates.probability(visit.place, age, {}), rates.by_stage(visit.place)
            if by_age is not None and by_stage is not None:
                yield Judged(deal.deal, visit.place, rates.as_of, by_age.value, by_stage.value, deal.won)


def brier(probabilities: Sequence[Decimal], won: Sequence[bool]) -> float:
    """Mean squared distance of the probability from what happened (1 won, 0 lost): 0 is perfect, 0.25 a coin."""
    if not won or len(probabilities) != len(won):
        raise InvalidInputError("give one outcome per probability, and at least one")
    return fsum((float(p) - hit) ** 2 for p, hit in zip(probabilities, won, strict=True)) / len(won)


def brier_skill(probabilities: Sequence[Decimal], reference: Sequence[Decimal], won: Sequence[bool]) -> float | None:
    """1 − Brier ÷ Brier of the reference; at or below 0 the reference is as good. `None` when that was perfect."""
    base = brier(reference, won)
    return None if base == 0 else 1 - brier(probabilities, won) / base


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Deals whose probability fell into [low, high), the last bin with its end: what was said and what happened."""

    low: Decimal
    high: Decimal
    said: Decimal
    happened: Share


def reliability(probabilities: Sequence[Decimal], won: Sequence[bool], *, bins: int = 10) -> tuple[ReliabilityBin, ...]:
    """The reliability curve over equal-width bins; empty bins are left out."""
    held: dict[int, list[tuple[Decimal, bool]]] = defaultdict(list)
    for p, hit in zip(probabilities, won, strict=True):
        held[min(int(p * bins), bins - 1)].append((p, hit))
    return tuple(
        ReliabilityBin(
            Decimal(place) / bins,
            Decimal(place + 1) / bins,
            sum((p for p, _ in deals), start=Decimal(0)) / len(deals),
            clopper_pearson(sum(hit for _, hit in deals), len(deals)),
        )
        for place, deals in sorted(held.items())
    )


def expected_calibration_error(curve: Sequence[ReliabilityBin]) -> float:
    """Mean distance of what was said from what happened over the bins, weighted with their deals."""
    n = sum(part.happened.n for part in curve)
    if n == 0:
        raise InvalidInputError("the calibration of nothing is not defined: give at least one deal")
    gaps = (abs(float(part.said) * part.happened.n - part.happened.hits) for part in curve)
    return fsum(gaps) / n


def places_without_skill(judged: Iterable[Judged]) -> frozenset[Place]:
    """Where age did not beat the stage's rate on deals it had not seen, or too few were judged to tell."""
    held: dict[Place, list[Judged]] = defaultdict(list)
    for one in judged:
        held[one.place].append(one)
    return frozenset(place for place, deals in held.items() if not _helps(deals))


def _helps(deals: Sequence[Judged]) -> bool:
    outcomes = [deal.won for deal in deals]
    skill = brier_skill([deal.by_age for deal in deals], [deal.by_stage for deal in deals], outcomes)
    return len(deals) >= LEAST_JUDGED and skill is not None and skill > 0
