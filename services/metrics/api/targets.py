"""`/v1/targets`: what should be reached, and how far along it is."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from services.metrics.api.parameters import Asking, KnownAt, Moment, business_date
from services.metrics.api.telling import decimal_text, tell
from services.metrics.domain.attainment import Attainment, attain, elapsed_share
from services.metrics.domain.inquiry import Inquiry, inquire, is_flow, must_be_single
from services.metrics.domain.kpis import CATALOGUE
from services.metrics.domain.kpis.declaration import Unit
from services.metrics.domain.targets import Target
from services.metrics.queries.answers import read_figure
from services.metrics.queries.snapshot import Questions, Snapshot
from services.metrics.queries.targets import read_targets
from shared.http.answers import list_answer
from shared.http.auth import require
from shared.http.freshness import After
from shared.http.openapi import problem_responses
from shared.http.paging import Paging
from shared.http.unknown import refuse_unknown
from shared.kernel.errors import InvalidInputError

router = APIRouter(prefix="/v1/targets", tags=["targets"],
                   dependencies=[Depends(require("read")), Depends(refuse_unknown)])  # fmt: skip

_IN_MONEY = (Unit.MONEY, Unit.MONEY_PER_DAY)


@router.get("", summary="Targets with attainment and pace", responses=problem_responses(400, 404))
async def get_targets(
    request: Request,
    questions: Asking,
    known_at: KnownAt,
    page: Paging,
    after: After,
    kpi: Annotated[list[str] | None, Query(description="Only of these KPIs.")] = None,
    owner: Annotated[list[str] | None, Query(description="Only of these members.")] = None,
    on: Annotated[Moment | None, Query(description="Only those whose period holds this day.")] = None,
) -> Response:
    """Attainment is actual ÷ target (target ÷ actual where lower is better): 1 and more is excellent, less than 0.7 to
    be corrected. Pace sets the actual against the share of the target that is due by now, by working days."""
    start = page.start(str)
    today = known_at or questions.company.calendar.day(questions.clock.now())
    day = business_date(on, questions.company.calendar)
    async with questions.snapshot(known_at, after) as snapshot:
        targets = [
            target
            for target in _wanted(await read_targets(snapshot.reader, known_at), kpi, owner, day)
            if start is None or target.id > start[0]
        ]
        shown = targets[: page.limit]
        items = [await _body(snapshot, questions, target, known_at, today) for target in shown]
    key = (shown[-1].id,) if len(targets) > len(shown) else None
    return list_answer(request, items, page, key, snapshot.freshness)


def _wanted(
    targets: Iterable[Target], kpis: list[str] | None, owners: list[str] | None, day: date | None
) -> Iterable[Target]:
    for target in targets:
        fits = (kpis is None or target.kpi in kpis) and (owners is None or target.owner in owners)
        if fits and (day is None or target.period.start <= day <= target.period.end):
            yield target


async def _body(
    snapshot: Snapshot, questions: Questions, target: Target, known_at: date | None, today: date
) -> dict[str, Any]:
    """A target that cannot be read against a KPI is shown with the reason, not hidden."""
    body: dict[str, Any] = {
        "id": target.id,
        "kpi": target.kpi,
        "title": target.title,
        "owner": target.owner,
        "period": {"start": target.period.start, "end": target.period.end},
        "slice": dict(target.where),
    }
    try:
        inquiry = _inquiry(questions, target, known_at)
    except InvalidInputError as error:
        reasons = "; ".join(f"{fault.where} {fault.reason}" for fault in error.faults)
        trouble = f"{error.detail} {reasons}".strip()
        return {**body, "target": decimal_text(target.value), "actual": None, "trouble": trouble}
    figure = await read_figure(snapshot.reader, inquiry, questions.company)
    actual = None if figure.value is None else Decimal(figure.value)
    shares = elapsed_share(target.period, today)
    found = attain(target.value, actual, inquiry.kpi.better, shares, flow=is_flow(inquiry.kpi))
    return {**body, **_told(inquiry, questions.company.base_currency, target, actual, found), "trouble": None}


def _told(
    inquiry: Inquiry, base_currency: str, target: Target, actual: Decimal | None, found: Attainment
) -> dict[str, Any]:
    money = inquiry.kpi.unit in _IN_MONEY

    def number(value: Decimal | None) -> Any:
        return tell(value, money=money, currency=base_currency)

    def ratio(value: Decimal | None) -> Any:
        return tell(value, money=False, currency=None)

    return {
        "target": number(target.value),
        "actual": number(actual),
        "attainment": ratio(found.attainment),
        "band": found.band,
        "share_of_working_days": ratio(found.share),
        "pace": ratio(found.pace),
        "pace_band": found.pace_band,
        "landing": number(found.landing),
    }


def _inquiry(questions: Questions, target: Target, known_at: date | None) -> Inquiry:
    kpi = CATALOGUE.get(target.kpi)
    if kpi is None:
        raise InvalidInputError("There is no such KPI.")
    base_currency = questions.company.base_currency
    if kpi.unit in _IN_MONEY and target.currency not in (None, base_currency):
        raise InvalidInputError(f"The target is in {target.currency}, the KPI in {base_currency}.")
    default = questions.receivable_basis if kpi.basis_setting else ""
    inquiry = inquire(kpi, target.asked(known_at), default_basis=default)
    must_be_single(inquiry)
    return inquiry
