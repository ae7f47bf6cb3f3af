"""GET: events raw and canonical, the quarantine, sources, imports, and persons for who may see them."""

from datetime import datetime
from typing import Annotated
from urllib.parse import unquote

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from services.ingest import queries
from services.ingest.api import answering
from services.ingest.api.rooms import Ingest
from shared.contracts.entities import ENTITIES
from shared.http.answers import answer, list_answer
from shared.http.auth import Admin, Reader, Writer
from shared.http.freshness import After
from shared.http.openapi import problem_responses
from shared.http.paging import Paging
from shared.http.unknown import refuse_unknown
from shared.kernel.errors import InvalidInputError, MalformedError, NotFoundError

router = APIRouter(prefix="/v1", tags=["reading"], dependencies=[Depends(refuse_unknown)])


@router.get("/events/{source_and_id:path}", responses=problem_responses(404))
async def get_event(request: Request, _caller: Reader, ingest: Ingest, after: After) -> Response:
    """An event by `{source}/{id}`, each percent-encoded: canonical data, every revision, and where its bytes are.

    What ingest accepted is visible here at once, so `after` never has to wait.
    """
    del after
    path = request.scope["raw_path"].decode("ascii").partition("/v1/events/")[2]
    parts = [unquote(part) for part in path.split("/")]
    if len(parts) != 2 or not all(parts):
        raise MalformedError("Write /v1/events/{source}/{id}, a slash inside either as %2F.")
    async with ingest.database.read() as reader:
        revisions = await queries.event(reader, *parts)
        waiting = None if revisions else await queries.held_as(reader, *parts)
    if waiting is not None:
        raise NotFoundError(f"This event waits in the quarantine as {waiting}: see /v1/quarantine.")
    if not revisions:
        raise NotFoundError("No event with this source and id was accepted.")
    return answer(request, {**revisions[0], "revisions": revisions[1:]})


@router.get("/raw/{raw_id}", responses=problem_responses(404))
async def get_raw(raw_id: str, _caller: Admin, ingest: Ingest) -> Response:
    """The bytes of a request or file as they came in. They may hold personal data: scope `admin`."""
    async with ingest.database.read() as reader:
        found = await queries.raw(reader, raw_id)
    if found is None:
        raise NotFoundError("No bytes are kept under this id.")
    # Never as HTML or script of this origin, whatever the sender called it.
    return Response(found["body"], media_type="application/octet-stream", headers={"x-content-type-options": "nosniff"})


@router.get("/quarantine")
async def get_quarantine(
    request: Request, _caller: Reader, ingest: Ingest, page: Paging, *, released: bool = False
) -> Response:
    """What was set aside because retrying later can help, oldest first, each with its reason."""
    async with ingest.database.read() as reader:
        items = await queries.held(reader, page.start(datetime, str), page.limit + 1, released=released)
    more = len(items) > page.limit
    items = items[: page.limit]
    return list_answer(request, items, page, (items[-1]["received_at"], items[-1]["id"]) if more else None)


@router.post("/quarantine/{held_id}/retry", responses=problem_responses(404, 409))
async def retry(held_id: str, _caller: Writer, ingest: Ingest) -> Response:
    """Try to take it in again."""
    return answering.one(await ingest.receiving.retry(held_id))


@router.get("/persons/{entity}", responses=problem_responses(422))
async def get_persons(
    request: Request, entity: str, _caller: Admin, ingest: Ingest, ids: Annotated[list[str], Query(alias="id")]
) -> Response:
    """The personal data last said about these subjects: only here can a pseudonymous id be read as a name."""
    if entity not in ENTITIES:
        raise InvalidInputError(f"There is no entity of this name: choose one of {', '.join(ENTITIES)}.")
    async with ingest.database.read() as reader:
        found = await queries.persons(reader, entity, ids)
    return answer(request, {"items": [{"id": key, **fields} for key, fields in found.items()]})
