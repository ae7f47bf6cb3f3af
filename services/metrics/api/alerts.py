"""`/v1/alert-rules` and `/v1/alerts`: thresholds on KPIs, and what became of them."""

from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from starlette.responses import Response

from services.metrics.alert_desk import Desk
from services.metrics.alert_store import list_episodes, list_rules, load_rule
from services.metrics.alert_wire import rule_body, transition_body
from services.metrics.api.parameters import MISSING, Asking
from services.metrics.domain.alerts import (
    AT,
    WINDOWS,
    Comparison,
    Receiver,
    Rule,
    Severity,
    State,
    Statistic,
    StoredRule,
    Transition,
)
from services.metrics.domain.durations import read_duration
from services.metrics.domain.inquiry import Related
from shared.http.answers import JsonResponse, answer, list_answer
from shared.http.auth import Caller, require
from shared.http.freshness import After
from shared.http.openapi import problem_responses
from shared.http.paging import Paging
from shared.http.unknown import refuse_unknown
from shared.kernel.errors import NotFoundError
from shared.kernel.ids import is_id

router = APIRouter(prefix="/v1", tags=["alerts"], dependencies=[Depends(refuse_unknown)])

_READ = [Depends(require("read"))]
_WRITER = Annotated[Caller, Depends(require("write"))]
_SHOWN = (State.PENDING, State.FIRING, State.ACKNOWLEDGED, State.RESOLVED)
_LONGEST_DECIMAL = 40


def _decimal(value: object) -> Decimal:
    """Text or a whole number: a JSON float has lost digits already."""
    if isinstance(value, bool) or not isinstance(value, str | int) or len(str(value)) > _LONGEST_DECIMAL:
        raise ValueError('must be a decimal as text, such as "0.55"')
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise ValueError('must be a decimal as text, such as "0.55"') from None
    if not number.is_finite() or abs(number.adjusted()) > _LONGEST_DECIMAL:
        raise ValueError("must be a number")
    return number


def _duration(value: object) -> timedelta:
    return read_duration(str(value))


def _member(value: str) -> str:
    if not is_id(value):
        raise ValueError("must be 1 to 255 printable characters without a blank at either end")
    return value


Amount = Annotated[Decimal, BeforeValidator(_decimal), WithJsonSchema({"type": "string", "examples": ["0.55"]})]
Duration = Annotated[timedelta, BeforeValidator(_duration), WithJsonSchema({"type": "string", "format": "duration"})]
MemberName = Annotated[str, BeforeValidator(_member)]


class AlertRule(BaseModel):
    """A threshold with hysteresis on one number of a KPI."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str = Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]+$")
    kpi: str = Field(description="Slug, as in GET /v1/kpis.", max_length=100)
    comparison: Comparison
    fire: Amount = Field(description="Trouble beyond it; in the KPI's unit, money in base currency.")
    clear: Amount | None = Field(default=None, description="Trouble no more at or before it; absent: as `fire`.")
    filters: dict[str, list[MemberName]] = Field(
        default_factory=dict, description=f"Dimension → values, `{MISSING}` for those without one.", max_length=20
    )
    window: str = Field(default=AT, description=WINDOWS, max_length=40)
    basis: str | None = None
    related: Related = Related.EXCLUDE
    statistic: Statistic = Field(default=Statistic.MEAN, description="Of durations.")
    for_: Duration = Field(default=timedelta(), alias="for", description="How long it must be trouble before it fires.")
    severity: Severity = Severity.WARNING
    receivers: list[Receiver] = Field(default_factory=lambda: list(Receiver))

    def rule(self) -> Rule:
        """As the domain knows it."""
        return Rule(
            title=self.title,
            kpi=self.kpi,
            comparison=self.comparison,
            fire=self.fire,
            clear=self.fire if self.clear is None else self.clear,
            where={
                name: tuple(dict.fromkeys(None if value == MISSING else value for value in values))
                for name, values in self.filters.items()
            },
            window=self.window,
            basis=self.basis,
            related=self.related,
            statistic=self.statistic,
            hold=self.for_,
            severity=self.severity,
            receivers=tuple(dict.fromkeys(self.receivers)),
        )


def _desk(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


AtDesk = Annotated[Desk, Depends(_desk)]


@router.post(
    "/alert-rules",
    status_code=201,
    summary="Make a rule",
    responses=problem_responses(400),
    response_class=JsonResponse,
)
async def post_rule(body: AlertRule, caller: _WRITER, desk: AtDesk, questions: Asking) -> Response:
    """It is judged from now on, whenever something new is applied."""
    stored = await desk.create(body.rule(), caller.name)
    async with questions.snapshot() as snapshot:
        told = {**rule_body(stored), **snapshot.freshness.members()}
    return JsonResponse(told, 201, {"location": f"/v1/alert-rules/{stored.id}"})


@router.get("/alert-rules", summary="Rules, the newest first", dependencies=_READ, responses=problem_responses(400))
async def get_rules(request: Request, questions: Asking, page: Paging, after: After) -> Response:
    """Disabled ones too."""
    start = page.start(datetime, str)
    async with questions.snapshot(after=after) as snapshot:
        rules = await list_rules(snapshot.reader, start, page.limit + 1)
    last = rules[page.limit - 1] if len(rules) > page.limit else None
    key = None if last is None else (last.created_at, last.id)
    return list_answer(request, [rule_body(one) for one in rules[: page.limit]], page, key, snapshot.freshness)


@router.get("/alert-rules/{rule}", summary="One rule", dependencies=_READ, responses=problem_responses(404))
async def get_rule(rule: str, request: Request, questions: Asking, after: After) -> Response:
    """As it was made, with its present state."""
    async with questions.snapshot(after=after) as snapshot:
        stored = await load_rule(snapshot.reader, _id(rule))
        if stored is None:
            raise NotFoundError("There is no such rule.")
        return answer(request, rule_body(stored), snapshot.freshness)


@router.post("/alert-rules/{rule}/disable", summary="Disable a rule", responses=problem_responses(404))
async def disable_rule(rule: str, caller: _WRITER, desk: AtDesk, questions: Asking) -> Response:
    """A living episode of it ends. Disabling twice changes nothing."""
    stored = await desk.disable(_id(rule), caller.name)
    async with questions.snapshot() as snapshot:
        return JsonResponse({**rule_body(stored), **snapshot.freshness.members()})


@router.get("/alerts", summary="Episodes, the newest first", dependencies=_READ, responses=problem_responses(400))
async def get_alerts(
    request: Request,
    questions: Asking,
    page: Paging,
    after: After,
    state: Annotated[list[State] | None, Query(description="Absent: all but those that lapsed before firing.")] = None,
) -> Response:
    """Active and past ones, each with every step it took."""
    start = page.start(datetime, str)
    async with questions.snapshot(after=after) as snapshot:
        found = await list_episodes(snapshot.reader, state or _SHOWN, start, page.limit + 1)
    items = [_episode_body(stored, steps) for stored, steps in found[: page.limit]]
    key = None
    if len(found) > page.limit:
        first = found[page.limit - 1][1][0]
        key = (first.at, first.episode)
    return list_answer(request, items, page, key, snapshot.freshness)


@router.post(
    "/alerts/{episode}/acknowledge", summary="Say that you look after it", responses=problem_responses(404, 409)
)
async def acknowledge(episode: str, caller: _WRITER, desk: AtDesk, questions: Asking) -> Response:
    """It goes on firing for machines, and no person is called again."""
    stored, steps = await desk.acknowledge(_id(episode), caller.name)
    async with questions.snapshot() as snapshot:
        return JsonResponse({**_episode_body(stored, steps), **snapshot.freshness.members()})


def _episode_body(stored: StoredRule, steps: list[Transition]) -> dict[str, Any]:
    since = {step.state: step.at for step in steps}
    kept = ("id", "title", "kpi", "filters", "severity", "comparison", "fire", "clear")
    rule = rule_body(stored)
    return {
        "id": steps[0].episode,
        "rule": {name: rule[name] for name in kept},
        "state": steps[-1].state,
        "pending_at": since.get(State.PENDING),
        "fired_at": since.get(State.FIRING),
        "acknowledged_at": since.get(State.ACKNOWLEDGED),
        "ended_at": steps[-1].at if steps[-1].state.is_over else None,
        "steps": [transition_body(step) for step in steps],
    }


def _id(text: str) -> str:
    if not is_id(text):
        raise NotFoundError("There is no such thing.")
    return text
