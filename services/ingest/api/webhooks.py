"""POST /v1/webhooks/{source}: signed deliveries. An unknown source and a bad signature get the same answer."""

import asyncio
from collections.abc import Mapping
from urllib.parse import urlsplit

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.ingest.api import answering
from services.ingest.api.rooms import Ingest, Rooms
from services.ingest.receiving import Received
from services.ingest.sources.adapter import Delivery
from shared.http.answers import JsonResponse
from shared.http.openapi import problem_responses
from shared.kernel.errors import UnauthenticatedError

router = APIRouter(prefix="/v1", tags=["webhooks"])
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
    began = ingest.clock.monotonic()
    delivery = Delivery(
        headers=_joined(request),
        body=await request.body(),
        received_at=ingest.clock.now(),
        method=request.method,
        url=_addressed(request, ingest.public_url),
        key=key,
    )
    try:
        connected = ingest.receiving.verified(source, delivery)
    except UnauthenticatedError:
        await asyncio.sleep(max(0.0, began + _REFUSAL_SECONDS - ingest.clock.monotonic()))
        raise
    return _answer(await ingest.receiving.take(connected, delivery), ingest.generation)


def _joined(request: Request) -> Mapping[str, str]:
    """Headers by lower-case name, repeated ones joined as RFC 9110 says."""
    found: dict[str, str] = {}
    for name, value in request.headers.items():
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def _addressed(request: Request, public_url: str) -> str:
    """The URL that the sender used: behind a proxy the public one, which signatures may cover."""
    if not public_url:
        return str(request.url)
    path = request.scope.get("raw_path", b"").decode("ascii", "surrogateescape").partition("?")[0]
    query = request.url.query
    prefix = urlsplit(public_url)
    return f"{prefix.scheme}://{prefix.netloc}{prefix.path.rstrip('/')}{path}{'?' + query if query else ''}"


def _answer(received: Received, generation: int) -> Response:
    if received.reply is not None:
        reply = received.reply
        return Response(reply.body, reply.status, dict(reply.headers), reply.media_type)
    if not received.outcomes:
        return JsonResponse({"items": [], "to_read": received.to_read}, 202)
    if len(received.outcomes) == 1:
        return answering.one(received.outcomes[0], generation)
    return answering.many(received.outcomes, generation)
