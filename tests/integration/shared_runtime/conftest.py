"""A sample application on a real port, and a client that may read and write."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from shared.http.app import Surroundings, create_app
from shared.http.auth import ApiKeys
from shared.http.health import Readiness
from shared.http.limits import Limits
from shared.kernel.clock import SystemClock
from shared.kernel.errors import UnavailableError
from shared.runtime.api import listening, serve
from shared.telemetry.metrics import Metrics
from tests.integration.shared_runtime.sample import key_line, router

LIMIT = 1000


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.write_text(key_line("crm", "both", "read,write") + key_line("board", "reading", "read"), "utf-8")
    return path


class Database:
    """Stands where a real one would: gone when told so."""

    def __init__(self) -> None:
        self.gone = False

    async def check(self) -> None:
        if self.gone:
            raise UnavailableError("PostgreSQL does not answer.")


@pytest.fixture
def database() -> Database:
    return Database()


@pytest.fixture
def app(key_file: Path, database: Database) -> FastAPI:
    clock = SystemClock()
    ready = Readiness({"postgresql": database.check}, clock=clock)
    return create_app(
        Surroundings("pipeline", ApiKeys(key_file), Metrics(), ready, clock),
        title="Sample",
        version="1.2",
        routers=[router],
        limits=Limits(LIMIT, {"/v1/webhooks/": 10 * LIMIT}),
        signed_prefixes=("/v1/webhooks/",),
        description="For <tests>",
    )


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    stop = asyncio.Event()
    with listening("127.0.0.1", 0, "QUINTANT_HTTP_PORT") as bound:
        server = asyncio.create_task(serve(app, bound, stop))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        async with httpx.AsyncClient(base_url=url, headers={"authorization": "Bearer both"}, trust_env=False) as made:
            yield made
        stop.set()
        await server
