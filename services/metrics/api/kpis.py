"""`/v1/kpis`: the catalogue, the numbers, and where they come from."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from services.metrics.api.lineage_body import encode_pinned, lineage_body, read_pinned
from services.metrics.api.parameters import Asking, SeriesAsked, SliceAsked, inquiry_of
from services.metrics.api.telling import answer_body, kpi_body, table
from services.metrics.domain.inquiry import must_be_single
from services.metrics.domain.kpis import CATALOGUE
from services.metrics.queries.answers import read_answer
from services.metrics.queries.lineage import read_lineage
from shared.http.answers import answer, csv_answer
from shared.http.auth import require
from shared.http.freshness import After
from shared.http.openapi import problem_responses
from shared.http.paging import Paging, link_next
from shared.http.unknown import refuse_unknown

router = APIRouter(prefix="/v1/kpis", tags=["kpis"], dependencies=[Depends(require("read")), Depends(refuse_unknown)])


@router.get("", summary="The catalogue: what every number means")
async def get_catalogue(request: Request, questions: Asking, after: After) -> Response:
    """Titles, units, formulas in words, null rules, revisions, dimensions and parameters."""
    async with questions.snapshot(after=after) as snapshot:
        items = [kpi_body(kpi, questions.receivable_basis) for kpi in CATALOGUE.values()]
        return answer(request, {"items": items, "next": None}, snapshot.freshness)


@router.get(
    "/{slug}",
    summary="One KPI, for any range, grain and slice",
    responses={200: {"content": {"text/csv": {}}}, **problem_responses(400, 404)},
)
async def get_kpi(
    slug: str,
    request: Request,
    questions: Asking,
    asked: SeriesAsked,
    after: After,
    format_: Annotated[Literal["json", "csv"], Query(alias="format")] = "json",
) -> Response:
    """Sums are exact; quotients come with numerator and denominator. With `by`, slices in which nothing stands are
    left out. Related parties are out unless `related` says otherwise."""
    inquiry = inquiry_of(slug, asked, questions)
    async with questions.snapshot(asked.known_at, after) as snapshot:
        snapshot.require_knowledge()
        rows = await read_answer(snapshot.reader, inquiry, questions.company)
    body = answer_body(inquiry, questions.company.base_currency, rows)
    if format_ == "csv":
        columns, lines = table(body)
        return csv_answer(request, columns, lines, snapshot.freshness, filename=f"{slug}.csv")
    if after is not None:
        return answer(request, body, snapshot.freshness)
    return questions.kept.answer(request, body, snapshot.sighting, reconstructed=snapshot.freshness.reconstructed)


@router.get("/{slug}/lineage", summary="Where one number comes from", responses=problem_responses(400, 404))
async def get_lineage(
    slug: str, request: Request, questions: Asking, asked: SliceAsked, page: Paging, after: After
) -> Response:
    """Number → entities → postings and events. `parts` are over all pages; the contributions listed on them sum to
    each part to the last digit, also while new events are applied: a cursor stays with what its first page saw."""
    inquiry = inquiry_of(slug, asked, questions)
    must_be_single(inquiry)
    start = page.start(str, str)
    async with questions.snapshot(asked.known_at, after) as snapshot:
        snapshot.require_knowledge()
        pinned = snapshot.standing.positions if start is None else read_pinned(start[1])
        lineage = await read_lineage(
            snapshot.reader,
            inquiry,
            questions.company,
            pinned=pinned,
            after="" if start is None else start[0],
            limit=page.limit,
        )
    body: dict[str, Any] = lineage_body(inquiry, questions.company.base_currency, lineage)
    cursor = None
    if lineage.following:
        last = lineage.evidence[-1].key
        cursor = page.cursor_after((f"{last.kind}/{last.id}", encode_pinned(pinned)))
    response = answer(request, {**body, "next": cursor}, snapshot.freshness)
    if cursor is not None:
        response.headers["link"] = link_next(request, cursor)
    return response
