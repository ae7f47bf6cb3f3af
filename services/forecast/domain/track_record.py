"""How the forecasts that were really given turned out: stored vintages against what happened, lead by lead."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from services.forecast.domain.accuracy import crps, mae, mape, rmse, smape
from services.forecast.domain.coverage import Coverage, empirical_coverage, pit_histogram
from services.forecast.domain.outlook import Prediction
from services.forecast.domain.value_add import ValueAdd, paired_value_add
from services.forecast.domain.vintage import Vintage


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a vintage said of a period, beside what it came to."""

    vintage: str
    model: str
    said: Prediction
    actual: Decimal


def outcomes(vintages: Iterable[Vintage], actual: Mapping[date, Decimal]) -> tuple[Outcome, ...]:
    """Every prediction of a period that stands in `actual`, ordered by period. The vintages are of one series."""
    found = (
        Outcome(one.id, one.model, said, actual[said.start])
        for one in vintages
        for said in one.predictions
        if said.start in actual
    )
    return tuple(sorted(found, key=lambda outcome: (outcome.said.start, outcome.said.lead, outcome.vintage)))


@dataclass(frozen=True, slots=True)
class Accuracy:
    """The measures of `domain.accuracy` over `n` outcomes, and the value added to the naive forecast."""

    n: int
    mae: float
    rmse: float
    mape: float | None
    smape: float
    crps: float
    value_add: ValueAdd
    coverage: tuple[Coverage, ...]
    pit: tuple[int, ...]


def accuracy_by_lead(found: Iterable[Outcome]) -> Mapping[int, Accuracy]:
    """Leads that met at least one outcome, rising; never pooled, for far ones are harder."""
    held: dict[int, list[Outcome]] = defaultdict(list)
    for outcome in found:
        held[outcome.said.lead].append(outcome)
    return {lead: _accuracy(held[lead], lead) for lead in sorted(held)}


def _accuracy(found: Sequence[Outcome], lead: int) -> Accuracy:
    actual = [outcome.actual for outcome in found]
    point = [outcome.said.point for outcome in found]
    quantiles = [outcome.said.quantiles for outcome in found]
    return Accuracy(
        n=len(found),
        mae=mae(actual, point),
        rmse=rmse(actual, point),
        mape=mape(actual, point),
        smape=smape(actual, point),
        crps=crps(actual, quantiles),
        value_add=paired_value_add(
            [outcome.actual - outcome.said.point for outcome in found],
            [outcome.actual - outcome.said.baseline for outcome in found],
            lead=lead,
        ),
        coverage=empirical_coverage(actual, quantiles),
        pit=pit_histogram(actual, quantiles),
    )
