"""Between the domain and what is stored, published and answered. Decimals are text, dates ISO."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import msgspec

from services.forecast.domain.coverage import Coverage, Share
from services.forecast.domain.outlook import BackTest, Prediction, Score, SeriesForecast
from services.forecast.domain.quantiles import LEVELS, Quantiles
from services.forecast.domain.scenarios import Scenarios
from services.forecast.domain.track_record import Accuracy
from services.forecast.domain.vintage import Vintage
from services.forecast.domain.winning import Place, Visit
from shared.contracts.records import Fact
from shared.contracts.values import write_instant
from shared.kernel.money import plain
from shared.storage.outbox import Message, telling

RESULT = "io.quintant.forecast.made.v1"


@dataclass(frozen=True, slots=True)
class Explained:
    """Why a vintage says what it says."""

    baseline: str
    season: int
    back_test: BackTest
    scores: tuple[Score, ...]
    remarks: tuple[str, ...]

    @classmethod
    def of(cls, forecast: SeriesForecast) -> "Explained":
        remarks = tuple(remark.value for remark in forecast.remarks)
        return cls(forecast.baseline, forecast.season, forecast.back_test, forecast.scores, remarks)


def visits_body(visits: Iterable[Visit]) -> list[list[str]]:
    """Visits as stored."""
    return [
        [one.place.pipeline, one.place.stage, one.entered_on.isoformat(), one.left_on.isoformat()] for one in visits
    ]


def read_visits(stored: Sequence[Sequence[str]]) -> tuple[Visit, ...]:
    """Visits from the store."""
    return tuple(
        Visit(Place(pipeline, stage), date.fromisoformat(entered), date.fromisoformat(left))
        for pipeline, stage, entered, left in stored
    )


def vintage_body(vintage: Vintage, explained: Explained) -> dict[str, Any]:
    """A vintage as stored, published and answered."""
    return {
        "id": vintage.id,
        "series": vintage.series,
        "known_at": vintage.known_at.isoformat(),
        "revision": vintage.revision,
        "made_at": write_instant(vintage.made_at),
        "model": vintage.model,
        "baseline": explained.baseline,
        "season": explained.season,
        "trained_from": vintage.trained_from.isoformat(),
        "trained_through": vintage.trained_through.isoformat(),
        "predictions": [_prediction(one) for one in vintage.predictions],
        "coverage": [coverage_body(one) for one in vintage.coverage],
        "back_test": msgspec.to_builtins(explained.back_test),
        "scores": [_score(one) for one in explained.scores],
        "remarks": list(explained.remarks),
    }


def _prediction(one: Prediction) -> dict[str, Any]:
    return {
        "start": one.start.isoformat(),
        "lead": one.lead,
        "point": plain(one.point),
        "baseline": plain(one.baseline),
        "scenarios": scenarios_body(Scenarios.of(one.quantiles)),
        "quantiles": quantiles_body(one.quantiles),
    }


def quantiles_body(quantiles: Quantiles) -> dict[str, str]:
    """Level → value."""
    return {plain(level): plain(value) for level, value in zip(LEVELS, quantiles.values, strict=True)}


def scenarios_body(scenarios: Scenarios) -> dict[str, str]:
    """Worst, most likely and best case: the 10, 50 and 90 % quantiles."""
    return {
        "worst": plain(scenarios.worst),
        "most_likely": plain(scenarios.most_likely),
        "best": plain(scenarios.best),
    }


def coverage_body(one: Coverage) -> dict[str, Any]:
    """What an interval promised, and how often it held."""
    return {
        "nominal": plain(one.nominal),
        "measured": plain(one.measured.value),
        "hits": one.measured.hits,
        "n": one.measured.n,
        "low": plain(one.measured.low),
        "high": plain(one.measured.high),
    }


def _score(one: Score) -> dict[str, Any]:
    return {
        "model": one.model,
        "mase": None if one.mase is None else plain(one.mase),
        "smape": plain(one.smape),
        "crps": None if one.crps is None else plain(one.crps),
    }


def read_vintage(body: Mapping[str, Any]) -> Vintage:
    """A vintage from the store."""
    return Vintage(
        series=body["series"],
        known_at=date.fromisoformat(body["known_at"]),
        revision=body["revision"],
        made_at=datetime.fromisoformat(body["made_at"]),
        model=body["model"],
        trained_from=date.fromisoformat(body["trained_from"]),
        trained_through=date.fromisoformat(body["trained_through"]),
        predictions=tuple(
            Prediction(
                date.fromisoformat(one["start"]),
                one["lead"],
                Decimal(one["point"]),
                Decimal(one["baseline"]),
                Quantiles(tuple(Decimal(one["quantiles"][plain(level)]) for level in LEVELS)),
            )
            for one in body["predictions"]
        ),
        coverage=tuple(
            Coverage(Decimal(one["nominal"]), Share(one["hits"], one["n"], Decimal(one["low"]), Decimal(one["high"])))
            for one in body["coverage"]
        ),
    )


def accuracy_body(accuracy: Accuracy) -> dict[str, Any]:
    """How the forecasts of one lead turned out; errors in the unit of the series, ratios as fractions."""
    return {
        "n": accuracy.n,
        "mae": _rounded(accuracy.mae),
        "rmse": _rounded(accuracy.rmse),
        "mape": _rounded(accuracy.mape),
        "smape": _rounded(accuracy.smape),
        "crps": _rounded(accuracy.crps),
        "value_add": _rounded(accuracy.value_add.fva),
        "value_add_p": _rounded(accuracy.value_add.p_value),
        "coverage": [coverage_body(one) for one in accuracy.coverage],
        "pit": list(accuracy.pit),
    }


def _rounded(value: float | None) -> str | None:
    return None if value is None else plain(Decimal(f"{value:.6f}"))


def result_message(vintage: Vintage, body: Mapping[str, Any]) -> Message:
    """The fact that a forecast was made."""
    fact = Fact(
        type=RESULT,
        source="/quintant/forecast",
        id=vintage.id,
        subject=vintage.series,
        time=vintage.made_at,
        data=msgspec.json.encode(body),
    )
    return telling("forecast-results", fact)
