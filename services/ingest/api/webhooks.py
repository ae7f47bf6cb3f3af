"""POST /v1/webhooks/{source}: signed deliveries. An unknown source and a bad signature get the same answer."""

import asyncio
from functools import lru_cache
from urllib.parse import urlsplit

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.ingest.api import answering
from services.ingest.api.rooms import Ingest, Rooms
from services.ingest.receiving import Received
from services.ingest.sources.adapter import Delivery
from shared.http.answers import JsonResponse
from shared.http.direct import DirectRoute
from shared.http.headers import headers_of
from shared.http.openapi import problem_responses
from shared.kernel.errors import UnauthenticatedError

router = APIRouter(prefix="/v1", tags=["webhooks"], route_class=DirectRoute)
_REFUSAL_SECONDS = 0.05
"""Every refusal takes so long, whichever scheme was checked: time does not tell which sources there are."""
_PROBLEMS = problem_responses(400, 401, 409, 413, 415, 422, 503)


@router.post("/webhooks/{source}", status_code=202, responses=_PROBLEMS)
async def take_webhook(request: Request, source: str, ingest: Ingest) -> Response:
    """Accept a delivery signed as its source signs. Genuine but not understood: 202, and it waits in the quarantine."""
    return await _take(request, ingest, source, "")


@router.post("/webhooks/{source}/{key}", status_code=202, responses=_PROBLEMS)
async def take_webhook_with_key(request: Request, source: str, key: str, ingest: Ingest) -> Response:
    """The same for senders that cannot sign: the secret is the last part of the path."""
    return await _take(request, ingest, source, key)


@router.options("/webhooks/{source}")
async def allow_sender(request: Request, source: str) -> Response:
    """The handshake of CloudEvents senders (HTTP webhook specification 4): they may send here; the same for every
    source, known or not."""
    del source
    origin = request.headers.get("webhook-request-origin")
    allowed = {"webhook-allowed-origin": origin, "webhook-allowed-rate": "*"} if origin else {}
    return Response(status_code=200, headers={"allow": "POST, OPTIONS", **allowed})


async def _take(request: Request, ingest: Rooms, source: str, key: str) -> Response:
    began, scope = ingest.clock.monotonic(), request.scope
    headers = headers_of(scope)
    url = _addressed(
        scope["scheme"], headers.get("host", ""), scope["raw_path"], scope["query_string"], ingest.public_url
    )
    delivery = Delivery(headers, await request.body(), ingest.clock.now(), scope["method"], url, key)
    try:
        connected = ingest.receiving.verified(source, delivery)
    except UnauthenticatedError:
        await asyncio.sleep(max(0.0, began + _REFUSAL_SECONDS - ingest.clock.monotonic()))
        raise
    return _answer(await ingest.receiving.take(connected, delivery))


@lru_cache(maxsize=512)
def _addressed(scheme: str, host: str, raw_path: bytes, query_string: bytes, public_url: str) -> str:
    """The URL that the sender used: behind a proxy the public one, which signatures may cover."""
    before = _prefix(public_url) if public_url else f"{scheme}://{host}"
    path = raw_path.decode("ascii", "surrogateescape").partition("?")[0]
    query = query_string.decode("ascii", "surrogateescape")
    return f"{before}{path}?{query}" if query else f"{before}{path}"


@lru_cache(maxsize=1)
def _prefix(public_url: str) -> str:
    parts = urlsplit(public_url)
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def _answer(received: Received) -> Response:
    if received.reply is not None:
        reply = received.reply
        return Response(reply.body, reply.status, dict(reply.headers), reply.media_type)
    if not received.outcomes:
        return JsonResponse({"items": [], "to_read": received.to_read}, 202)
    if len(received.outcomes) == 1:
        return answering.one(received.outcomes[0])
    return answering.many(received.outcomes)
