"""Workers killed at every named point, as if by `kill -9`, and started again: the totals are what was sent."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from quintant.stack import services
from quintant.stack.home import Home
from quintant.stack.services import ROLES
from shared.messaging.failpoints import NAMES
from tests.running import Running

pytestmark = pytest.mark.fault

SECONDS = 60
REFOLDED = 600
"""More deals than one turn of a refold takes, all in one partition."""


@dataclass(slots=True)
class Told:
    """What was sent so far, summed by plain arithmetic."""

    running: Running
    http: httpx.AsyncClient
    won: Decimal = Decimal(0)
    price: Decimal = Decimal(0)
    sent: int = 0
    token: str = ""
    taken: list[str] = field(default_factory=list)

    async def send(self, events: list[dict[str, Any]]) -> None:
        body = [{"specversion": "1.0", "source": "/fault", "time": "2026-03-01T10:00:00Z", **event} for event in events]
        for number, event in enumerate(body, self.sent):
            event |= {"id": str(number), "sequence": str(number)}
        self.sent += len(body)
        answer = await self.http.post(
            self.running.urls["ingest"] + "/v1/events",
            json=body,
            headers={"content-type": "application/cloudevents-batch+json"},
        )
        assert answer.status_code == 202, answer.text
        assert answer.json()["counts"]["accepted"] == len(body)
        self.token = answer.json()["token"]

    async def send_wins(self, count: int) -> None:
        """So many won deals of 12.34 each, in two events each, and one price for the deals that have no amount."""
        deals = [f"W-{self.sent}-{number}" for number in range(count)]
        amount = {"amount": "12.34", "currency": "USD"}
        self.price += 1
        await self.send(
            [
                *(_event("deal", id=deal, stage="qualification", amount=amount) for deal in deals),
                _event("product", id="P", price={"amount": str(self.price), "currency": "USD"}),
                *(_event("deal", id=deal, stage="won") for deal in deals),
            ]
        )
        self.won += count * Decimal("12.34")

    async def check(self) -> None:
        """Every number is what was sent."""
        won = await self._value("deals-won-value")
        still_open = await self._value("open-pipeline-value")
        assert (won, still_open) == (self.won, REFOLDED * self.price)
        audit = await self.http.post(self.running.urls["metrics"] + "/v1/audit")
        assert audit.json()["sound"] is True

    async def _value(self, slug: str) -> Decimal:
        url = self.running.urls["metrics"] + f"/v1/kpis/{slug}"
        async with asyncio.timeout(SECONDS):
            while True:
                answer = await self.http.get(url, params={"after": self.token})
                if answer.status_code != 504:
                    return Decimal(answer.json()["rows"][0]["value"]["amount"])


def _event(entity: str, **data: Any) -> dict[str, Any]:
    return {"type": f"io.quintant.{entity}.changed.v1", "data": data}


@pytest.fixture(scope="module")
async def told(database_url: str, kafka_bootstrap: str, own_directory: Path) -> AsyncIterator[Told]:
    home = Home(own_directory)
    own = {"QUINTANT_TOPIC_PREFIX": f"t{secrets.token_hex(4)}-", "QUINTANT_PARTITIONS": "1"}
    everything = Running(home, services.environment(home, database_url, kafka_bootstrap) | own)
    await asyncio.to_thread(everything.prepare)
    try:
        await asyncio.to_thread(everything.start)
        headers = {"authorization": f"Bearer {everything.key}"}
        async with httpx.AsyncClient(headers=headers, timeout=SECONDS, trust_env=False) as http:
            made = Told(everything, http)
            await made.send(
                [_event("deal", id=f"E-{n}", stage="qualification", product_id="P") for n in range(REFOLDED)]
            )
            await made.send_wins(10)
            await made.check()
            yield made
    finally:
        await asyncio.to_thread(everything.stop)


async def killed_at(told: Told, worker: str, failpoint: str) -> None:
    """The worker starts with the failpoint armed, dies there while it applies what is sent, and is started again."""
    running = told.running
    await asyncio.to_thread(running.stop, worker)
    role = next(one for one in ROLES if one.name == worker)
    armed = {**running.environment, "QUINTANT_FAILPOINT": failpoint}
    part = await asyncio.to_thread(services.start, running.home, role, running.ports[worker], armed)
    running.parts[worker] = part
    await told.send_wins(10)
    await asyncio.to_thread(psutil.Process(part.process.pid).wait, SECONDS)
    await asyncio.to_thread(running.start, [worker])
    await told.check()


@pytest.mark.parametrize("failpoint", [name for name in NAMES if name.startswith(("loop.", "fold.", "refold."))])
async def test_a_worker_killed_while_it_applies(told: Told, failpoint: str) -> None:
    await killed_at(told, "metrics-worker", failpoint)


@pytest.mark.parametrize("failpoint", [name for name in NAMES if name.startswith("relay.")])
async def test_a_relay_killed_while_it_publishes(told: Told, failpoint: str) -> None:
    await killed_at(told, "ingest-worker", failpoint)


async def test_a_worker_killed_after_it_said_something(told: Told) -> None:
    await killed_at(told, "pipeline-worker", "outbox.sent")
    funnel = await told.http.get(told.running.urls["pipeline"] + "/v1/funnel", params={"after": told.token})
    [pipeline] = funnel.json()["pipelines"]
    assert Decimal(pipeline["won"]["value"]["amount"]) == told.won
