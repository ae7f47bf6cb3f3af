"""/v1/adapters and /v1/sources: what can be connected, how each source does, and what a person does about it."""

from base64 import b64encode
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field, SecretStr
from starlette.requests import Request
from starlette.responses import Response

from services.ingest import source_reading
from services.ingest.api.rooms import Ingest
from services.ingest.sources import simulator
from services.ingest.sources.story import endings, told
from shared.http.answers import JsonResponse, answer
from shared.http.auth import Admin, Reader
from shared.http.openapi import problem_responses
from shared.http.paging import decode_cursor, encode_cursor
from shared.http.unknown import refuse_unknown
from shared.kernel.errors import InvalidInputError, NotFoundError

router = APIRouter(prefix="/v1", tags=["sources"], dependencies=[Depends(refuse_unknown)])
_STORY = timedelta(days=1)


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class SourceToCheck(_Asked):
    """A source as it would be configured."""

    name: Annotated[str, Field(max_length=63)]
    adapter: Annotated[str, Field(max_length=63)]
    secrets: Annotated[list[SecretStr], Field(max_length=2)]
    settings: dict[str, Any] = Field(default_factory=dict)


class StoryAsked(_Asked):
    """A made-up story."""

    seed: Annotated[int, Field(ge=0, le=999)] = 1
    things: Annotated[int, Field(ge=1, le=1000)] = 20
    end: bool = False
    """What takes the story of this seed away again."""


class ReplayAsked(_Asked):
    """Which bytes to read again."""

    since: datetime
    after: str | None = None
    dry_run: bool = False


@router.get("/adapters")
async def get_adapters(request: Request, _caller: Reader) -> Response:
    """Every kind of source that can be connected, with what it needs and the steps to take there."""
    return answer(request, {"items": source_reading.cards()})


@router.get("/sources")
async def get_sources(request: Request, _caller: Reader, ingest: Ingest) -> Response:
    """Every source: when it was last heard, what became of its events, and how complete its webhooks are."""
    problem = ingest.receiving.accounts.problems().get("")
    return answer(request, {"public_url": ingest.public_url, "problem": problem, "items": await ingest.reading.all()})


@router.get("/sources/{name}", responses=problem_responses(404))
async def get_source(request: Request, name: str, _caller: Reader, ingest: Ingest) -> Response:
    """One configured source."""
    return answer(request, await ingest.reading.one(name))


@router.post("/sources/check", responses=problem_responses(422))
async def check_source(asked: SourceToCheck, _caller: Admin, ingest: Ingest) -> Response:
    """Whether a source could be connected like this, with the stages that its API shows. Nothing is stored."""
    secrets = [secret.get_secret_value() for secret in asked.secrets]
    return JsonResponse(await ingest.reading.check(asked.name, asked.adapter, secrets, asked.settings))


@router.post("/sources/{name}/simulation", responses=problem_responses(404, 422))
async def simulate(request: Request, name: str, asked: StoryAsked, _caller: Admin, ingest: Ingest) -> Response:
    """Signed requests that tell a made-up story in the source's own words, to be sent to the URL by the caller."""
    connected = ingest.receiving.accounts.find(name)
    if connected is None:
        raise NotFoundError(f"No source called {name} is configured.")
    simulating = simulator(connected.adapter)
    if simulating is None:
        raise InvalidInputError(f"The adapter {connected.adapter.name} has no simulator.")
    # Some schemes sign the URL: it has to be the one to which the caller sends.
    url = connected.account.url or f"{str(request.base_url).rstrip('/')}/v1/webhooks/{name}"
    account = replace(connected.account, url=url)
    now = ingest.clock.now().replace(microsecond=0)
    steps = told(simulating.subject, seed=asked.seed, things=asked.things, begin=now - _STORY, span=_STORY)
    steps = endings(steps, now) if asked.end else steps
    requests = [signed for step in steps for signed in simulating.deliveries(step, account, now)]
    return JsonResponse(
        {
            "url": url,
            "requests": [
                {
                    "method": one.method,
                    "path_key": one.path_key,
                    "headers": dict(one.headers),
                    "body_base64": b64encode(one.body).decode(),
                }
                for one in requests
            ],
        }
    )


@router.post("/sources/{name}/replay", responses=problem_responses(400, 404, 422))
async def replay(name: str, asked: ReplayAsked, _caller: Admin, ingest: Ingest) -> Response:
    """Read kept bytes again with the present adapter, some at a time: go on with `after` until `next` is null."""
    if asked.since.tzinfo is None:
        raise InvalidInputError("`since` needs an offset from UTC.")
    query = f"replay {name} {asked.since.isoformat()}"
    after = decode_cursor(asked.after, query, (datetime, str)) if asked.after else None
    found = await ingest.replays.some(name, asked.since, after, dry_run=asked.dry_run)
    names = ("read", "same", "changed", "new", "waiting", "unread", "vanished")
    return JsonResponse(
        {
            **{count: found.counts[count] for count in names},
            "next": encode_cursor(found.after, query) if found.after else None,
        }
    )
