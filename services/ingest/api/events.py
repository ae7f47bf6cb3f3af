"""POST /v1/events: CloudEvents in binary, structured and batch mode."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.ingest import wire
from services.ingest.api import answering
from services.ingest.api.rooms import Ingest
from services.ingest.store import Raw
from shared.contracts.envelope import BATCH, parse_events
from shared.http.auth import Writer
from shared.http.direct import DirectRoute
from shared.http.headers import headers_of
from shared.http.openapi import problem_responses
from shared.kernel.ids import new_id

router = APIRouter(prefix="/v1", tags=["events"], route_class=DirectRoute)
_KEPT = ("content-type", "user-agent", "ce-id", "ce-source", "ce-type", "ce-time", "ce-subject", "ce-specversion")


@router.post("/events", status_code=202, responses=problem_responses(400, 409, 413, 415, 422, 503))
async def post_events(request: Request, _caller: Writer, ingest: Ingest) -> Response:
    """Accept CloudEvents 1.0 (binary, structured, or a batch that is answered item by item).

    202: committed to the inbox, or set aside in the quarantine. 200: known already. A token reads your own writes.
    """
    headers = headers_of(request.scope)
    body = await request.body()
    read = wire.read(parse_events(headers, body))
    raw = Raw(
        new_id(),
        ingest.clock.now(),
        "events",
        headers.get("content-type", ""),
        {name: headers[name] for name in _KEPT if name in headers},
        body,
    )
    outcomes = await ingest.intake.take(read, raw, kind="events")
    if headers.get("content-type", "").lower().startswith(BATCH):
        return answering.many(outcomes)
    return answering.one(outcomes[0])
