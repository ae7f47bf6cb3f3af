"""`/v1/digest` and `/v1/audit`: proofs that the books are what the events make them."""

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from services.metrics.api.parameters import Asking
from services.metrics.audit import audit, digest
from shared.http.answers import JsonResponse, answer
from shared.http.auth import require
from shared.http.freshness import After
from shared.http.unknown import refuse_unknown

router = APIRouter(prefix="/v1", tags=["upkeep"], dependencies=[Depends(refuse_unknown)])


@router.get("/digest", summary="SHA-256 over all books", dependencies=[Depends(require("read"))])
async def get_digest(request: Request, questions: Asking, after: After) -> Response:
    """Equal events give an equal digest, however they came and however the work was split."""
    async with questions.snapshot(after=after) as snapshot:
        return answer(request, {"sha256": await digest().tell(snapshot.reader)}, snapshot.freshness)


@router.post(
    "/audit", summary="Compare summaries and entities with the books", dependencies=[Depends(require("admin"))]
)
async def post_audit(questions: Asking) -> Response:
    """Reads everything once; changes nothing."""
    report = await audit(questions.database)
    async with questions.snapshot() as snapshot:
        body = {
            "sound": report.sound,
            "entities": report.entities,
            "wrong_summaries": report.wrong_summaries,
            "wrong_entities": report.wrong_entities,
            "differences": report.differences,
        }
        return JsonResponse({**body, **snapshot.freshness.members()})
