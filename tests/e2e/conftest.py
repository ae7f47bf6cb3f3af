"""The whole of Quintant as its users run it: eight processes on real PostgreSQL and Kafka, spoken to over HTTP alone."""

import asyncio
import contextlib
import hashlib
import os
import secrets
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from quintant.stack.ports import any_free
from tests.conftest import execute, with_database

PROJECT = Path(__file__).parents[2]
SERVICES = ("ingest", "pipeline", "metrics", "forecast")
KEY = "a-key-for-tests-only"
DATA = PROJECT / "quintant" / "demo_data"
PRESETS = ("maven-crm", "classicmodels")


@dataclass(slots=True)
class Company:
    """A running Quintant. `get` waits for what was posted through it."""

    urls: Mapping[str, str]
    http: httpx.AsyncClient
    tokens: list[str] = field(default_factory=list)

    async def get(self, service: str, path: str, **parameters: Any) -> dict[str, Any]:
        """A successful answer of a service that has applied everything imported so far."""
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
        probe = {"pipeline": "/v1/pipelines", "metrics": "/v1/kpis", "forecast": "/v1/forecasts"}[service]
        async with asyncio.timeout(120):
            while (await self.http.get(self.urls[service] + probe, params={"after": token})).status_code == 504:
                continue  # each try waits in the service for as long as it may

    async def load(self, preset: str, folder: Path, **options: str) -> dict[str, Any]:
        """Import the files of a preset."""
        files = sorted(path for path in folder.glob("*.csv") if path.name != "data_dictionary.csv")
        answer = await self.http.post(
            self.urls["ingest"] + "/v1/imports",
            params={"known": "occurred", **options},
            data={"mapping": preset},
            files=[("files", (path.name, path.read_bytes(), "text/csv")) for path in files],
        )
        assert answer.status_code == 200, answer.text
        report: dict[str, Any] = answer.json()
        if report["token"]:
            self.tokens.append(report["token"])
        return report


@asynccontextmanager
async def running(
    database_server: str, kafka_bootstrap: str, directory: Path, **settings: str
) -> AsyncIterator[Company]:
    """Migrate, start the eight processes, wait until all are ready; stop them in the end."""
    name = f"test_{secrets.token_hex(6)}"
    await execute(database_server, f"CREATE DATABASE {name}")
    keys = directory / "keys"
    keys.write_text(f"test:{hashlib.sha256(KEY.encode()).hexdigest()}:read,write,admin\n")
    env = {
        **os.environ,
        "DATABASE_URL": with_database(database_server, name),
        "KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap,
        "QUINTANT_TOPIC_PREFIX": f"t{secrets.token_hex(4)}-",
        "QUINTANT_API_KEYS_FILE": str(keys),
        "QUINTANT_METRICS_RECEIVABLE_BASIS": "shipped",
        **settings,
    }
    tasks = [("shared.runtime", "topics"), *((f"services.{service}", "migrate") for service in SERVICES)]
    await asyncio.gather(*(_succeed(module, role, env, directory) for module, role in tasks))
    processes: list[asyncio.subprocess.Process] = []
    urls: dict[str, str] = {}
    health: list[str] = []
    try:
        for service in SERVICES:
            for role, variable in (("api", "QUINTANT_HTTP_PORT"), ("worker", "QUINTANT_HEALTH_PORT")):
                port = any_free()
                url = f"http://127.0.0.1:{port}"
                urls |= {service: url} if role == "api" else {}
                health.append(url)
                own = {**env, variable: str(port)}
                processes.append(await _start(f"services.{service}", role, own, directory))
        async with httpx.AsyncClient(headers={"authorization": f"Bearer {KEY}"}, timeout=120, trust_env=False) as http:
            async with asyncio.timeout(90):
                await asyncio.gather(*(_ready(http, url) for url in health))
            yield Company(urls, http)
    finally:
        for process in processes:
            if process.returncode is None:
                process.terminate()
        codes = await asyncio.gather(*(process.wait() for process in processes))
        await execute(database_server, f"DROP DATABASE {name} WITH (FORCE)")
    assert set(codes) == {0}, f"a process ended with {codes}: see {directory}"


async def _start(module: str, role: str, env: Mapping[str, str], directory: Path) -> asyncio.subprocess.Process:
    with (directory / f"{module}-{role}.log").open("ab") as log:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", module, role, env=env, cwd=PROJECT, stdout=log, stderr=log
        )


async def _succeed(module: str, role: str, env: Mapping[str, str], directory: Path) -> None:
    process = await _start(module, role, env, directory)
    async with asyncio.timeout(90):
        code = await process.wait()
    assert code == 0, (directory / f"{module}-{role}.log").read_text()


async def _ready(http: httpx.AsyncClient, url: str) -> None:
    """Ask until it is ready; a refused connection is answered at once, so there is a short pause between tries."""
    while True:
        try:
            if (await http.get(f"{url}/readyz")).status_code == 200:
                return
        except httpx.TransportError:
            pass
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 0.1)


@pytest.fixture(scope="session")
async def company(
    database_server: str, kafka_bootstrap: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Company]:
    async with running(database_server, kafka_bootstrap, tmp_path_factory.mktemp("company")) as started:
        yield started


@pytest.fixture(scope="session")
async def reports(company: Company) -> dict[str, dict[str, Any]]:
    """Both data sets, unmoved; the import's answers."""
    return {preset: await company.load(preset, DATA / preset) for preset in PRESETS}
