"""A small service made of the shared parts: what the tests of this folder start, in this process or as their own."""

import asyncio
import hashlib
import signal
import sys
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from decimal import Decimal
from typing import ClassVar

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from shared.http.answers import answer, csv_answer, list_answer
from shared.http.app import Surroundings, create_app
from shared.http.auth import ApiKeys, Reader, Writer
from shared.http.freshness import After, Freshness, NotYetAppliedError
from shared.http.health import Readiness
from shared.http.openapi import problem_responses
from shared.http.paging import Paging
from shared.kernel.clock import SystemClock
from shared.kernel.errors import ConflictError, Fault, StoppedError, UnavailableError
from shared.runtime.api import serve_api
from shared.runtime.entry import run
from shared.runtime.health import health_port
from shared.runtime.settings import Port, ServiceSettings
from shared.runtime.shutdown import Shutdown
from shared.runtime.worker import supervise
from shared.telemetry.metrics import Metrics

FRESH = Freshness(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), None, 3)
DEALS = 5


class Settings(ServiceSettings):
    service: ClassVar[str] = "pipeline"
    http_port: Port = 0
    health_port: Port = 0
    behaviour: str = "well"


class NewDeal(BaseModel):
    title: str
    amount: Decimal


router = APIRouter(prefix="/v1")


@router.get("/deals")
async def deals(request: Request, _caller: Reader, page: Paging) -> Response:
    start = page.start(int)
    first = start[0] + 1 if start else 0
    items = [{"id": number} for number in range(first, min(first + page.limit, DEALS))]
    more = first + page.limit < DEALS
    return list_answer(request, items, page, [items[-1]["id"]] if more else None, FRESH)


@router.get("/deals/{deal}", responses=problem_responses(404))
async def deal(request: Request, _caller: Reader, deal: str, after: After) -> Response:
    if after is not None:
        raise NotYetAppliedError(FRESH)
    return answer(request, {"id": deal, "amount": Decimal("1E+3")}, FRESH)


@router.get("/deals.csv")
async def table(request: Request, _caller: Reader) -> Response:
    return csv_answer(request, ["id", "amount"], [["=1", Decimal("1.50")]], FRESH, filename="deals.csv")


@router.post("/deals", responses=problem_responses(409))
async def create(_caller: Writer, new: NewDeal) -> Response:
    if new.title == "bug":
        raise KeyError("whsec_hunter2")
    if new.title == "gone":
        raise UnavailableError("The database is gone for now.")
    raise ConflictError("This deal was accepted with another amount.", faults=[Fault("/amount", "differs")])


@router.post("/webhooks/{source}")
async def webhook(request: Request, source: str) -> Response:
    return Response(str(len(await request.body())))


def key_line(name: str, key: str, scopes: str) -> str:
    return f"{name}:{hashlib.sha256(key.encode()).hexdigest()}:{scopes}\n"


def surroundings(settings: Settings) -> Surroundings:
    clock = SystemClock()
    return Surroundings(settings.service, ApiKeys(settings.api_keys_file), Metrics(), Readiness({}, clock=clock), clock)


async def api(settings: Settings, shutdown: Shutdown) -> None:
    app = create_app(surroundings(settings), title="Sample", version="1", routers=[router])
    await serve_api(app, host=settings.http_host, port=settings.http_port, shutdown=shutdown)


async def _job() -> None:
    await asyncio.Event().wait()


async def _dies() -> None:
    raise KeyError("a bug")


async def _stops() -> None:
    raise StoppedError("a gap that nobody fills")


async def _returns() -> None:
    return


async def _hangs() -> None:
    signal.raise_signal(signal.SIGTERM)
    while True:
        time.sleep(0.01)  # noqa: ASYNC251 - a loop that hangs is the case


async def worker(settings: Settings, shutdown: Shutdown) -> None:
    second = {"dies": _dies, "stops": _stops, "returns": _returns, "hangs": _hangs}.get(settings.behaviour, _job)
    async with AsyncExitStack() as stack:
        port = health_port(surroundings(settings), version="1", host=settings.http_host, port=settings.health_port)
        await stack.enter_async_context(port)
        await supervise({"first": _job, "second": second}, shutdown)


async def stubborn(_settings: Settings, shutdown: Shutdown) -> None:
    shutdown.begin("test")
    await shutdown.requested.wait()
    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGTERM)
    await asyncio.Event().wait()


if __name__ == "__main__":
    sys.exit(run({"api": api, "worker": worker, "stubborn": stubborn}, Settings))
