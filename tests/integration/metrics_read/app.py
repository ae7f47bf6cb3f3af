"""The api's application over a real database, called without a socket."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from services.metrics.alert_desk import Desk
from services.metrics.api import routes
from services.metrics.queries.snapshot import Questions
from shared.http.app import Surroundings, create_app
from shared.http.auth import ApiKeys
from shared.http.health import Readiness
from shared.sales.company import Company
from shared.storage.database import Database
from shared.storage.waiting import Lookout
from shared.telemetry.metrics import Metrics
from tests.integration.metrics_read.books import COMPANY

READER = {"authorization": "Bearer only-reads"}
WRITER = {"authorization": "Bearer reads-and-writes"}
_KEYS = {"only-reads": "reader:{}:read", "reads-and-writes": "writer:{}:read,write,admin"}


@dataclass(slots=True)
class HandClock:
    """Stands still until the test moves it."""

    at: datetime = field(default_factory=lambda: datetime(2026, 11, 22, 4, tzinfo=UTC))

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()

    def forward(self, **by: float) -> None:
        self.at += timedelta(**by)


def questions_on(
    database: Database, clock: HandClock, *, company: Company = COMPANY, basis: str = "shipped"
) -> Questions:
    return Questions(database, clock, 0.2, Lookout(database, clock), company, basis)


def application(questions: Questions, directory: Path, *, webhook: str | None = None) -> FastAPI:
    keys = directory / "keys"
    keys.write_text("\n".join(line.format(hashlib.sha256(key.encode()).hexdigest()) for key, line in _KEYS.items()))
    surroundings = Surroundings(
        "metrics", ApiKeys(keys), Metrics(), Readiness({}, clock=questions.clock), questions.clock
    )
    app = create_app(surroundings, title="metrics", version="0", routers=routes())
    app.state.questions = questions
    app.state.desk = Desk(questions, webhook)
    return app


@dataclass(frozen=True, slots=True)
class Caller:
    """Calls the application and knows its problems."""

    http: httpx.AsyncClient

    async def get(self, path: str, *, expect: int = 200, **parameters: Any) -> Any:
        """The body of the answer. `from_` and the like lose their underscore, inner ones of `currency_view` turn."""
        names = {"from_": "from", "currency_view": "currency-view"}
        asked = {names.get(name, name): value for name, value in parameters.items()}
        response = await self.http.get(path, params=asked, headers=READER)
        assert response.status_code == expect, response.text
        return response.json()

    async def value(self, slug: str, **parameters: Any) -> Any:
        """The value of the only row."""
        (row,) = (await self.get(f"/v1/kpis/{slug}", **parameters))["rows"]
        return row["value"]

    async def by(self, slug: str, dimension: str, **parameters: Any) -> dict[Any, Any]:
        """Value by member of a dimension, or by name of the period."""
        rows = (await self.get(f"/v1/kpis/{slug}", **parameters))["rows"]
        return {(row["period"]["name"] if dimension == "period" else row[dimension]): row["value"] for row in rows}

    async def post(self, path: str, body: Any = None, *, expect: int = 200, headers: Any = None) -> Any:
        response = await self.http.post(path, json=body, headers=headers or WRITER)
        assert response.status_code == expect, response.text
        return response.json()


@asynccontextmanager
async def calling(app: FastAPI) -> AsyncIterator[Caller]:
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://metrics") as http:
        yield Caller(http)
