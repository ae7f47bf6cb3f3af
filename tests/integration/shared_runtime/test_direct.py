"""A direct route answers to the last header as the same route of the framework, and cannot take what it cannot give."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from shared.http.answers import JsonResponse
from shared.http.app import Surroundings, create_app
from shared.http.auth import ApiKeys, Writer
from shared.http.direct import DirectRoute
from shared.http.headers import headers_of
from shared.http.health import Readiness
from shared.http.limits import Limits
from shared.http.openapi import problem_responses
from shared.kernel.clock import SystemClock
from shared.kernel.errors import Fault, InvalidInputError, UnavailableError
from shared.runtime.api import listening, serve
from shared.telemetry.metrics import Metrics

LIMIT = 1000
OWN = ("x-request-id", "date")
CHECKED: list[str] = []


async def checked(request: Request) -> None:
    CHECKED.append(request.url.path)


def router(route_class: type[APIRoute]) -> APIRouter:
    made = APIRouter(prefix="/v1", route_class=route_class, dependencies=[Depends(checked)])

    @made.post("/webhooks/{source}", status_code=202, responses=problem_responses(422, 503))
    async def hear(request: Request, source: str) -> Response:
        """Hear."""
        headers = headers_of(request.scope)
        if source == "gone":
            raise UnavailableError("PostgreSQL does not answer.")
        if source == "wrong":
            raise InvalidInputError("Not like this.", faults=[Fault("/id", "is required")])
        if source == "bug":
            raise ZeroDivisionError
        return JsonResponse(
            {"source": source, "length": len(await request.body()), "said": headers.get("x-said", "")}, 202
        )

    @made.post("/events")
    async def take(request: Request, caller: Writer) -> Response:
        """Take."""
        return JsonResponse({"caller": caller.name, "body": (await request.body()).decode()})

    return made


def application(keys: Path, route_class: type[APIRoute], metrics: Metrics) -> FastAPI:
    clock = SystemClock()
    return create_app(
        Surroundings("ingest", ApiKeys(keys), metrics, Readiness({}, clock=clock), clock),
        title="Both",
        version="1",
        routers=[router(route_class)],
        limits=Limits(LIMIT),
        signed_prefixes=("/v1/webhooks/",),
    )


@asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    stop = asyncio.Event()
    with listening("127.0.0.1", 0, "QUINTANT_HTTP_PORT") as bound:
        server = asyncio.create_task(serve(app, bound, stop))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
            yield client
        stop.set()
        await server


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    digests = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("both", "reading")}
    path.write_text(f"crm:{digests['both']}:read,write\nboard:{digests['reading']}:read\n", "utf-8")
    return path


def in_pieces(size: int) -> Iterator[bytes]:
    for _ in range(size // 100):
        yield b"x" * 100


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


ASKED: Mapping[str, dict[str, Any]] = {
    "heard": {"url": "/v1/webhooks/erp", "content": b"body"},
    "no body": {"url": "/v1/webhooks/erp"},
    "in pieces": {"url": "/v1/webhooks/erp", "content": 900},
    "a header twice": {"url": "/v1/webhooks/erp", "headers": [("X-Said", "a"), ("x-said", "b")]},
    "escaped": {"url": "/v1/webhooks/e%20rp?x=1"},
    "gone": {"url": "/v1/webhooks/gone"},
    "wrong": {"url": "/v1/webhooks/wrong"},
    "bug": {"url": "/v1/webhooks/bug"},
    "too large": {"url": "/v1/webhooks/erp", "content": b"x" * (LIMIT + 1)},
    "too large in pieces": {"url": "/v1/webhooks/erp", "content": 1100},
    "another method": {"method": "PUT", "url": "/v1/webhooks/erp"},
    "another path": {"url": "/v1/webhooks/erp/a/b"},
    "with a key": {"url": "/v1/events", "headers": bearer("both"), "content": b"{}"},
    "no key": {"url": "/v1/events"},
    "unknown key": {"url": "/v1/events", "headers": bearer("other")},
    "key without the scope": {"url": "/v1/events", "headers": bearer("reading")},
}


async def answer(client: httpx.AsyncClient, asked: Mapping[str, Any]) -> tuple[int, dict[str, str], str]:
    said = {"method": "POST", **asked}
    if isinstance(said.get("content"), int):
        said["content"] = _sent(said["content"])
    response = await client.request(**said)
    own_id = response.headers["x-request-id"]
    headers = {name: value for name, value in response.headers.items() if name not in OWN}
    return response.status_code, headers, response.text.replace(own_id, "<id>")


async def _sent(size: int) -> AsyncIterator[bytes]:
    for piece in in_pieces(size):
        yield piece


def by_status(metrics: Metrics) -> Counter[str]:
    """A direct route is known before the key is checked, so a refused caller counts for it, not as unmatched."""
    counts: Counter[str] = Counter()
    for line in metrics.render().decode().splitlines():
        if line.startswith("quintant_http_requests_total{"):
            counts[line.split('status="')[1][:3]] += int(float(line.rpartition(" ")[2]))
    return counts


async def test_both_say_the_same(keys: Path) -> None:
    found: list[dict[str, Any]] = []
    counted: list[Counter[str]] = []
    for route_class in (APIRoute, DirectRoute):
        CHECKED.clear()
        metrics = Metrics()
        async with served(application(keys, route_class, metrics)) as client:
            found.append({name: await answer(client, asked) for name, asked in ASKED.items()})
        found[-1]["checked"] = sorted(CHECKED)
        counted.append(by_status(metrics))
    framework, direct = found
    assert {name: direct[name] for name in framework if direct[name] != framework[name]} == {}, framework
    assert counted[0] == counted[1]
    assert {name: direct[name][0] for name in ASKED} == {
        **dict.fromkeys(("heard", "no body", "in pieces", "a header twice", "escaped"), 202),
        **dict.fromkeys(("too large", "too large in pieces"), 413),
        **dict.fromkeys(("no key", "unknown key"), 401),
        "gone": 503,
        "wrong": 422,
        "bug": 500,
        "another method": 405,
        "another path": 404,
        "with a key": 200,
        "key without the scope": 403,
    }


async def test_a_request_may_bring_its_own_id(keys: Path) -> None:
    async with served(application(keys, DirectRoute, Metrics())) as client:
        for given, kept in (("request-17", True), ("no id!", False)):
            response = await client.post("/v1/webhooks/erp", headers={"x-request-id": given})
            assert (response.headers["x-request-id"] == given) is kept


def test_both_are_documented_alike(keys: Path) -> None:
    documents = [application(keys, kind, Metrics()).openapi() for kind in (APIRoute, DirectRoute)]
    assert documents[0] == documents[1]


def test_a_route_that_takes_more_is_refused(keys: Path) -> None:
    async def paged(request: Request, limit: int = 5) -> Response:
        return JsonResponse({"limit": limit})

    asking = APIRouter(route_class=DirectRoute)
    asking.add_api_route("/v1/list", paged)
    clock = SystemClock()
    surroundings = Surroundings("ingest", ApiKeys(keys), Metrics(), Readiness({}, clock=clock), clock)
    with pytest.raises(TypeError, match="cannot be a direct route"):
        create_app(surroundings, title="", version="1", routers=[asking])
