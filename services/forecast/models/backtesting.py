"""Rolling-origin back-test: every candidate forecasts from past moments, knowing only what came before them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from services.forecast.models.candidates import COMBINATION, PLAIN, SEASONAL, Candidate, Values, predicted

LEAST_ORIGINS = 3
_LEAST_TRAINING = 3

ByModel = Mapping[str, Values]


@dataclass(frozen=True, slots=True)
class Race:
    """Who competes, and over which course. The first candidate is the baseline.

    `cutoffs` are lengths of training, one period apart. `season` is 1 where the history is too short for a longer one.
    """

    candidates: tuple[Candidate, ...]
    season: int
    cutoffs: tuple[int, ...]
    horizon: int

    @property
    def baseline(self) -> str:
        return self.candidates[0].name


def course(length: int, *, season: int, horizon: int, origins: int) -> Race:
    """As many of the last `origins` cutoffs as leave at least half of the history, and a whole season, to train on."""
    seasonal = season > 1 and length >= season + LEAST_ORIGINS
    least = max(_LEAST_TRAINING, length // 2, season if seasonal else 0)
    cutoffs = tuple(range(max(least, length - origins), length))
    used = season if seasonal else 1
    able = tuple(one for one in (SEASONAL if seasonal else PLAIN) if one.can_predict(cutoffs[0], used))
    return Race(able, used, cutoffs, horizon)


def forecasts_from(race: Race, history: Values, floor: float) -> ByModel:
    """What every candidate that can says from the end of `history`, cut at `floor`, and their combination."""
    said = {
        one.name: np.maximum(values, floor)
        for one in race.candidates
        if (values := predicted(one, history, race.season, race.horizon)) is not None
    }
    return {**said, COMBINATION: np.median(list(said.values()), axis=0)}


@dataclass(frozen=True, slots=True)
class BackTested:
    """What was forecast from each cutoff (`said`) and from the end (`now`), and how far from what happened it was.

    `errors` are actual less forecast: one row per cutoff, one column per lead, NaN where history ends before. A model
    that failed at any moment, the present included, has none.
    """

    race: Race
    history: Values
    said: tuple[ByModel, ...]
    now: ByModel
    errors: ByModel


def back_test(race: Race, history: Values, floor: float) -> BackTested:
    """Run the race, and let every candidate speak from the end of the history too."""
    said = tuple(forecasts_from(race, history[:cutoff], floor) for cutoff in race.cutoffs)
    now = forecasts_from(race, history, floor)
    targets = np.asarray(race.cutoffs)[:, None] + np.arange(race.horizon)
    actual = np.append(history, np.full(race.horizon, np.nan))[targets]
    finished = [name for name in now if all(name in moment for moment in said)]
    errors = {name: actual - np.stack([moment[name] for moment in said]) for name in finished}
    return BackTested(race, history, said, now, errors)


def known_at(errors: Values, origin: int) -> Values:
    """The errors that had shown themselves by that origin (counted from 0); those still to come are NaN."""
    rows, leads = np.indices(errors.shape)
    return np.where(rows + leads + 1 <= origin, errors, np.nan)[:origin]
