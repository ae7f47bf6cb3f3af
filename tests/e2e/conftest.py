"""The whole of Quintant as its users run it: eight processes on real PostgreSQL and Kafka, asked over HTTP alone."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from quintant.stack import services
from quintant.stack.home import Home
from tests.conftest import execute, with_database
from tests.running import Running

PROJECT = Path(__file__).parents[2]
DATA = PROJECT / "quintant" / "demo_data"
PRESETS = ("maven-crm", "classicmodels")
LIMITS = httpx.Limits(keepalive_expiry=2)
"""Connections are given up before the server closes them, which it does after 5 s."""
_PROBES = {"pipeline": "/v1/pipelines", "metrics": "/v1/kpis", "forecast": "/v1/forecasts"}


@dataclass(slots=True)
class Company:
    """A running Quintant. What is asked of it waits for what was imported through it."""

    urls: Mapping[str, str]
    http: httpx.AsyncClient
    database: str
    """URL of the database, as its owner: for what no service tells."""
    tokens: list[str] = field(default_factory=list)

    async def get(self, service: str, path: str, **parameters: Any) -> dict[str, Any]:
        """A successful answer."""
        answer = await self.ask(service, path, **parameters)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    async def ask(self, service: str, path: str, **parameters: Any) -> httpx.Response:
        """Any answer, after what was imported so far is applied."""
        if service != "ingest":
            for token in self.tokens:
                await self._applied(service, token)
        return await self.http.get(self.urls[service] + path, params=parameters)

    async def _applied(self, service: str, token: str) -> None:
        async with asyncio.timeout(120):
            while True:  # each try waits in the service for as long as it may
                answer = await self.http.get(self.urls[service] + _PROBES[service], params={"after": token})
                if answer.status_code != 504:
                    assert answer.status_code == 200, answer.text
                    return

    async def load(self, preset: str, folder: Path, **options: str) -> dict[str, Any]:
        """Import the files of a preset."""
        files = await asyncio.to_thread(_read, folder)
        answer = await self.http.post(
            self.urls["ingest"] + "/v1/imports",
            params={"known": "occurred", **options},
            data={"mapping": preset},
            files=[("files", (name, body, "text/csv")) for name, body in files],
        )
        assert answer.status_code == 200, answer.text
        report: dict[str, Any] = answer.json()
        if report["token"]:
            self.tokens.append(report["token"])
        return report


def _read(folder: Path) -> list[tuple[str, bytes]]:
    paths = sorted(path for path in folder.glob("*.csv") if path.name != "data_dictionary.csv")
    return [(path.name, path.read_bytes()) for path in paths]


@asynccontextmanager
async def started(
    database_server: str, kafka_bootstrap: str, server_directory: Path, **settings: str
) -> AsyncIterator[Company]:
    """A Quintant of its own: database, topics and processes; all of them end with the block."""
    name = f"test_{secrets.token_hex(6)}"
    await execute(database_server, f"CREATE DATABASE {name}")
    home = Home(server_directory / f"own-{secrets.token_hex(4)}")
    env = services.environment(home, with_database(database_server, name), kafka_bootstrap)
    own = {"QUINTANT_TOPIC_PREFIX": f"t{secrets.token_hex(4)}-", "QUINTANT_METRICS_RECEIVABLE_BASIS": "shipped"}
    everything = Running(home, env | own | settings)
    try:
        await asyncio.to_thread(everything.prepare)
        await asyncio.to_thread(everything.start)
        headers = {"authorization": f"Bearer {everything.key}"}
        async with httpx.AsyncClient(headers=headers, timeout=120, limits=LIMITS, trust_env=False) as http:
            yield Company(everything.urls, http, env["DATABASE_URL"])
    finally:
        clean = await asyncio.to_thread(everything.stop)
        await execute(database_server, f"DROP DATABASE {name} WITH (FORCE)")
    assert clean, "a process had to be killed"


@pytest.fixture(scope="session")
async def company(database_server: str, kafka_bootstrap: str, server_directory: Path) -> AsyncIterator[Company]:
    async with started(database_server, kafka_bootstrap, server_directory) as made:
        yield made


@pytest.fixture(scope="session")
async def reports(company: Company) -> dict[str, dict[str, Any]]:
    """Both data sets, unmoved; the import's answers."""
    return {preset: await company.load(preset, DATA / preset) for preset in PRESETS}
