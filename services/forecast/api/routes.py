"""The routes of the forecast service."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BeforeValidator, WithJsonSchema
from starlette.responses import Response

from services.forecast.api.outlooks import Outlooks
from services.forecast.domain.ledgers import SERIES
from services.forecast.domain.pipeline_outlook import PipelineOutlook
from services.forecast.domain.track_record import accuracy_by_lead, outcomes
from services.forecast.domain.vintage import first_made
from services.forecast.queries import series, vintages
from services.forecast.wire import accuracy_body, quantiles_body, read_vintage, scenarios_body
from shared.contracts.values import read_instant
from shared.http.answers import answer
from shared.http.auth import require
from shared.http.freshness import After
from shared.http.openapi import problem_responses
from shared.http.snapshot import Snapshots
from shared.http.unknown import refuse_unknown
from shared.kernel.money import Money, plain
from shared.kernel.period import Calendar

ROUTER = APIRouter(prefix="/v1", tags=["forecast"], dependencies=[Depends(require("read")), Depends(refuse_unknown)])

Series = Literal["won-value", "revenue"]
Instant = Annotated[
    datetime,
    BeforeValidator(lambda text: read_instant(str(text))),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]


@dataclass(frozen=True, slots=True)
class Rooms:
    """What the routes are handed by the composition root."""

    snapshots: Snapshots
    outlooks: Outlooks
    calendar: Calendar
    currency: str


async def _rooms(request: Request) -> Rooms:
    rooms: Rooms = request.app.state.rooms
    return rooms


Asking = Annotated[Rooms, Depends(_rooms)]


@ROUTER.get("/forecasts", summary="What is forecast, in quantiles and scenarios", responses=problem_responses(400))
async def get_forecasts(
    request: Request,
    asking: Asking,
    after: After,
    wanted: Annotated[Series | None, Query(alias="series")] = None,
    made_by: Annotated[Instant | None, Query(description="The forecast that was in force at this instant.")] = None,
) -> Response:
    """Per series the forecast in force: model, why it was chosen, predictions by month, and how often its intervals
    held in the back-test. A series with too little history has no forecast, and says so.
    """
    items: list[dict[str, Any]] = []
    async with asking.snapshots.snapshot(after=after) as read:
        for name in (wanted,) if wanted else SERIES:
            found = await vintages.latest(read.reader, name, made_by=made_by)
            reason = {"remarks": ["no forecast was made yet: it needs at least six complete months"]}
            items.append({"series": name, "currency": asking.currency, **(found or reason)})
    return answer(request, {"items": items}, read.freshness)


@ROUTER.get("/forecasts/accuracy", summary="How far forecasts could be trusted", responses=problem_responses(400))
async def get_accuracy(
    request: Request, asking: Asking, after: After, wanted: Annotated[Series | None, Query(alias="series")] = None
) -> Response:
    """Per series: errors of every method in the rolling back-test beside the (seasonal) naive one, measured coverage,
    and, by lead, how the forecasts that were really given turned out.
    """
    items: list[dict[str, Any]] = []
    today = asking.calendar.day(asking.snapshots.clock.now())
    async with asking.snapshots.snapshot(after=after) as read:
        for name in (wanted,) if wanted else SERIES:
            kept = [read_vintage(body) for body in await vintages.all_of(read.reader, name)]
            actual = {
                point.start: point.value for point in await series.history(read.reader, name, today.replace(day=1))
            }
            last = await vintages.latest(read.reader, name) or {}
            found = accuracy_by_lead(outcomes(first_made(kept), actual))
            items.append(
                {
                    "series": name,
                    "vintages": len(kept),
                    **{part: last.get(part) for part in ("model", "baseline", "back_test", "scores", "coverage")},
                    "track_record": {str(lead): accuracy_body(one) for lead, one in found.items()},
                }
            )
    return answer(request, {"items": items}, read.freshness)


@ROUTER.get("/weighted-pipeline", summary="Open deals at amount × probability", responses=problem_responses(400))
async def get_weighted_pipeline(
    request: Request,
    asking: Asking,
    after: After,
    business_line: Annotated[str | None, Query(description="Absent: all of them.")] = None,
) -> Response:
    """The sum, exact, by stage, with the probabilities used, where they come from and on how many closed deals they
    stand; scenarios if each deal is won with its probability whatever others do.
    """
    async with asking.snapshots.snapshot(after=after) as read:
        today = asking.calendar.day(asking.snapshots.clock.now())
        outlook = await asking.outlooks.of(read.reader, business_line, as_of=today, changed_at=read.freshness.as_of)
    return answer(request, _outlook_body(outlook), read.freshness)


def _outlook_body(outlook: PipelineOutlook) -> dict[str, Any]:
    pipeline = outlook.pipeline
    return {
        "as_of_day": outlook.rates.as_of,
        "weighted": _money(pipeline.weighted),
        "amount": _money(pipeline.amount),
        "deals": len(pipeline.deals),
        "estimated_deals": outlook.estimated,
        "without_amount": len(pipeline.without_amount),
        "without_probability": len(pipeline.without_probability),
        "scenarios": scenarios_body(outlook.scenarios),
        "quantiles": quantiles_body(outlook.scenarios.quantiles),
        "stages": _stages(outlook),
    }


def _stages(outlook: PipelineOutlook) -> list[Mapping[str, Any]]:
    """Per stage: sums, and each probability that was used with its source and the closed deals behind it."""
    by_stage: dict[tuple[str, str], list[Any]] = {}
    for deal in outlook.pipeline.deals:
        by_stage.setdefault((deal.place.pipeline, deal.place.stage), []).append(deal)
    nothing = outlook.pipeline.amount - outlook.pipeline.amount
    return [
        {
            "pipeline": pipeline,
            "stage": stage,
            "deals": len(deals),
            "amount": _money(sum((deal.amount for deal in deals), start=nothing)),
            "weighted": _money(sum((deal.weighted for deal in deals), start=nothing)),
            "probabilities": [
                {"value": plain(used.value), "source": used.source.value, "closed_deals": used.n}
                for used in sorted({deal.probability for deal in deals}, key=lambda one: (one.value, one.n))
            ],
        }
        for (pipeline, stage), deals in sorted(by_stage.items())
    ]


def _money(amount: Money) -> dict[str, str]:
    return {"amount": plain(amount.amount), "currency": amount.currency}
