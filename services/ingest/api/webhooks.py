"""POST /v1/webhooks/{source}: signed deliveries. An unknown source and a bad signature get the same answer."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.ingest import wire
from services.ingest.api import answering
from services.ingest.api.rooms import Ingest, Webhook
from services.ingest.inbox import Raw
from services.ingest.sources import standard_webhooks
from services.ingest.sources.topics import UnknownTopicError
from services.ingest.store import Held
from shared.http.openapi import problem_responses
from shared.kernel.ids import derived_id, new_id

router = APIRouter(prefix="/v1", tags=["webhooks"])
_NOBODY = Webhook(standard_webhooks.ADAPTER, ())
_KEPT = ("content-type", "user-agent", "webhook-id", "webhook-timestamp")


@router.post("/webhooks/{source}", status_code=202, responses=problem_responses(400, 401, 409, 413, 422, 503))
async def post_webhook(request: Request, source: str, ingest: Ingest) -> Response:
    """Accept a delivery signed as its source signs. Genuine but not understood: 202, and it waits in the quarantine."""
    headers, body = dict(request.headers), await request.body()
    webhook = ingest.webhooks.get(source, _NOBODY)
    delivery = webhook.adapter.verify(webhook.secrets, headers, body, ingest.clock.now())
    kept = {name: headers[name] for name in _KEPT if name in headers}
    try:
        read = wire.read(webhook.adapter.adapt(source, delivery, body))
    except UnknownTopicError as error:
        place = f"/webhooks/{source}"
        held = Held(
            derived_id(place, delivery), place, delivery, "", error.slug, error.detail,
            raw_kind="webhook", raw_headers=kept, raw_body=body,
        )  # fmt: skip
        return answering.many([await ingest.intake.hold_raw(held)], ingest.generation)
    raw = Raw(new_id(), ingest.clock.now(), "webhook", headers.get("content-type", ""), kept, body)
    outcomes = await ingest.intake.take(read, raw, kind="webhook")
    return (
        answering.one(outcomes[0], ingest.generation)
        if len(outcomes) == 1
        else answering.many(outcomes, ingest.generation)
    )
