"""What the procedure would have said at past moments, its choice and intervals included, with what was known then."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from services.forecast.domain.accuracy import crps, mase, naive_scale, smape
from services.forecast.domain.outlook import Score
from services.forecast.domain.quantiles import Quantiles
from services.forecast.models.backtesting import LEAST_ORIGINS, BackTested, ByModel, known_at
from services.forecast.models.intervals import offsets
from services.forecast.models.scaling import Scale
from services.forecast.models.selection import chosen

_DIGITS = Decimal("1e-6")


@dataclass(frozen=True, slots=True)
class Replayed:
    """Quantiles said at past moments, each beside what happened, in the unit of the series."""

    actual: tuple[Decimal, ...]
    quantiles: tuple[Quantiles, ...]


def replay(tested: BackTested, scale: Scale, choose: Callable[[ByModel, str], str] = chosen) -> Replayed:
    """From the fourth origin on: choose and widen by the errors that had shown themselves by then, then look."""
    race = tested.race
    actual: list[Decimal] = []
    quantiles: list[Quantiles] = []
    for origin in range(LEAST_ORIGINS, len(race.cutoffs)):
        known = {name: known_at(past, origin) for name, past in tested.errors.items()}
        model = choose(known, race.baseline)
        said = tested.said[origin][model][:, None] + offsets(known[model])
        happened = scale.told(tested.history[race.cutoffs[origin] :][: race.horizon])
        actual.extend(happened)
        quantiles.extend(Quantiles(scale.told(row)) for row in said[: len(happened)])
    return Replayed(tuple(actual), tuple(quantiles))


def scores(tested: BackTested, scale: Scale) -> tuple[Score, ...]:
    """The errors of every candidate that finished, the best first."""
    found = [_score(name, tested, scale) for name in tested.errors]
    return tuple(sorted(found, key=lambda one: (one.mase is None, one.mase or 0, one.model)))


def _score(name: str, tested: BackTested, scale: Scale) -> Score:
    errors = tested.errors[name]
    forecast = np.stack([moment[name] for moment in tested.said])
    over = np.isfinite(errors)
    said, happened = forecast[over].tolist(), (forecast + errors)[over].tolist()
    history = tested.history.tolist()
    return Score(
        model=name,
        mase=_rounded(mase(happened, said, history, tested.race.season)),
        smape=Decimal(smape(happened, said)).quantize(_DIGITS),
        crps=_rounded(_scaled_crps(name, tested, scale)),
    )


def _scaled_crps(name: str, tested: BackTested, scale: Scale) -> float | None:
    before = replay(tested, scale, lambda _errors, _baseline: name)
    unit = naive_scale(tested.history.tolist(), tested.race.season)
    if unit is None or not before.actual:
        return None
    return crps(before.actual, before.quantiles) / (unit * scale.unit)


def _rounded(value: float | None) -> Decimal | None:
    return None if value is None else Decimal(value).quantize(_DIGITS)
