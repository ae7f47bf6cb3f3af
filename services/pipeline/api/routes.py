"""The routes of the pipeline service."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from services.pipeline.api.parameters import Asking, At, Day, Selected, Sorted
from services.pipeline.domain.visits import slice_at, time_in_stages, visits
from services.pipeline.queries.deals import digest, key_kinds, list_deals, read_deal, sum_stages, unknown_pipelines
from services.pipeline.queries.snapshot import Questions
from services.pipeline.wire import deal_body, funnel_body, pipelines_body, time_body, visit_body
from shared.http.answers import answer
from shared.http.auth import require
from shared.http.freshness import After
from shared.http.openapi import problem_responses
from shared.http.paging import Paging, link_next
from shared.http.unknown import refuse_unknown
from shared.kernel.errors import Fault, InvalidInputError, NotFoundError
from shared.kernel.ids import is_id
from shared.storage.database import Reader

ROUTER = APIRouter(prefix="/v1", tags=["pipeline"], dependencies=[Depends(require("read")), Depends(refuse_unknown)])


@ROUTER.get("/deals", summary="Deals, filtered, sorted and paged", responses=problem_responses(400, 404))
async def get_deals(
    request: Request, asking: Asking, at: At, selection: Selected, sort: Sorted, page: Paging, after: After
) -> Response:
    """Ended deals are listed only with `outcome=ended`. `total` counts all pages."""
    start = page.start(*key_kinds(sort))
    async with asking.snapshot(at.moment.known_at, after) as read:
        await _check_pipelines(read.reader, asking, selection.pipeline)
        found, total = await list_deals(
            read.reader, at.moment, selection, sort, asking.company.calendar, start=start, limit=page.limit + 1
        )
    shown = found[: page.limit]
    cursor = page.cursor_after(shown[-1].key) if len(found) > len(shown) else None
    items = [deal_body(one.deal, one.facts, asking.company, at.moment.at) for one in shown]
    response = answer(request, {"items": items, "next": cursor, "total": total, **at.said}, read.freshness)
    if cursor is not None:
        response.headers["link"] = link_next(request, cursor)
    return response


@ROUTER.get("/deals/{deal:path}", summary="One deal and its way so far", responses=problem_responses(400, 404))
async def get_deal(deal: str, request: Request, asking: Asking, at: At, after: After) -> Response:
    """The deal at the instant asked about, each change of stage until then, and how long it was in each stage."""
    if not is_id(deal):
        raise NotFoundError("There is no such deal.")
    async with asking.snapshot(at.moment.known_at, after) as read:
        slices = await read_deal(read.reader, deal, at.moment.known_at)
    present = slice_at(slices, at.moment.at)
    if present is None:
        raise NotFoundError("There was no such deal yet at that instant.")
    company, instant = asking.company, at.moment.at
    visited = visits(slices, instant)
    body = {
        **deal_body(deal, present.facts, company, instant),
        "timeline": [visit_body(one) for one in visited],
        "time_in_stages": [time_body(one) for one in time_in_stages(visited, instant, company.calendar)],
        **at.said,
    }
    return answer(request, body, read.freshness)


@ROUTER.get("/funnel", summary="Count and value per stage", responses=problem_responses(400, 404))
async def get_funnel(request: Request, asking: Asking, at: At, selection: Selected, after: After) -> Response:
    """All configured stages in order, empty ones too; won and lost apart; values in base currency."""
    async with asking.snapshot(at.moment.known_at, after) as read:
        await _check_pipelines(read.reader, asking, selection.pipeline)
        sums = await sum_stages(read.reader, at.moment, selection, asking.company.calendar)
    asked = selection.pipeline or tuple(asking.company.pipelines.stages)
    return answer(request, {"pipelines": funnel_body(sums, asking.company, asked), **at.said}, read.freshness)


@ROUTER.get("/pipelines", summary="The configured sales pipelines and their stages", responses=problem_responses(400))
async def get_pipelines(request: Request, asking: Asking, after: After) -> Response:
    async with asking.snapshot(None, after) as read:
        return answer(request, {"pipelines": pipelines_body(asking.company.pipelines)}, read.freshness)


@ROUTER.get("/digest", summary="One hash over all states of all deals", responses=problem_responses(400, 404))
async def get_digest(
    request: Request,
    asking: Asking,
    after: After,
    known_at: Annotated[Day | None, Query(description="As known at the end of this business date.")] = None,
) -> Response:
    """SHA-256 of sums over all rows: equal for equal events, whatever their order, batches and partitions."""
    async with asking.snapshot(known_at, after) as read:
        sha256, states = await digest(read.reader, known_at)
    said: dict[str, Any] = {} if known_at is None else {"known_at": known_at}
    return answer(request, {"sha256": sha256, "states": states, **said}, read.freshness)


async def _check_pipelines(reader: Reader, asking: Questions, names: tuple[str, ...]) -> None:
    if await unknown_pipelines(reader, asking.company, names):
        reason = f"must be one of {', '.join(asking.company.pipelines.stages)}, or one that a deal names"
        raise InvalidInputError("There is no such pipeline.", faults=[Fault("pipeline", reason)])
