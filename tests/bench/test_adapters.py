"""Webhooks a second through each adapter, as a ratio to the generic one: the same routes, inbox and PostgreSQL."""

import asyncio
import json
import statistics
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from services.ingest.settings import Settings
from services.ingest.sources import ADAPTERS, simulator
from services.ingest.sources.adapter import Account
from services.ingest.sources.story import Signed, told
from services.ingest.wiring import build_api
from shared.storage.database import Database
from shared.telemetry.metrics import Metrics
from tests.contract.sources.cases import source_called
from tests.contract.sources.telling import account_of_source
from tests.integration.ingest.conftest import KEY, database, settings
from tests.integration.sources.day import tell_stages

__all__ = ["database", "settings"]
pytestmark = pytest.mark.bench

GENERIC = "json-webhook"
DELIVERIES, AT_ONCE, RUNS = 400, 16, 5


def _signed(name: str, account: Account, run: int) -> list[Signed]:
    """So many deliveries that nobody has sent before, each about one change of one thing."""
    telling = simulator(ADAPTERS[name])
    assert telling is not None, name
    now = datetime.now(UTC).replace(microsecond=0)  # noqa: TID251
    begin = now - timedelta(days=2)
    steps = told(telling.subject, seed=run, things=DELIVERIES, begin=begin, span=timedelta(days=1))
    found: list[Signed] = []
    for step in (one for one in steps if one.before is not None):
        found += telling.deliveries(step, account, now)
        if len(found) >= DELIVERIES:
            return found[:DELIVERIES]
    return found


async def _rate(client: httpx.AsyncClient, name: str, deliveries: Sequence[Signed]) -> tuple[float, float]:
    """Deliveries a second, and the longest answer in seconds."""
    waiting, longest = asyncio.Semaphore(AT_ONCE), 0.0

    async def send(one: Signed) -> None:
        nonlocal longest
        async with waiting:
            path = f"/v1/webhooks/{name}" + (f"/{one.path_key}" if one.path_key else "")
            began = time.perf_counter()
            answer = await client.post(path, content=one.body, headers=dict(one.headers))
            longest = max(longest, time.perf_counter() - began)
            assert answer.status_code < 300, (name, answer.text)

    began = time.perf_counter()
    await asyncio.gather(*map(send, deliveries))
    return len(deliveries) / (time.perf_counter() - began), longest


async def test_no_adapter_is_slower_than_half_the_generic_one(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    names = [name for name in ADAPTERS if simulator(ADAPTERS[name]) is not None]
    accounts = {name: account_of_source(source_called(name)) for name in names}
    entries: dict[str, Any] = {
        name: {
            "adapter": name,
            "secrets": [{"value": account.secrets[0], "since": "2026-01-01"}],
            "settings": msgspec.to_builtins(account.settings),
        }
        for name, account in accounts.items()
    }
    file = tmp_path / "sources.json"
    file.write_text(json.dumps({"sources": entries}))
    died: list[str] = []
    chosen = settings.model_copy(update={"ingest_sources_file": file})
    app = build_api(chosen, database, Metrics(), on_death=died.append)
    rates: dict[str, list[float]] = {name: [] for name in names}
    longest: dict[str, float] = dict.fromkeys(names, 0.0)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app),
            base_url="http://ingest.test",
            headers={"authorization": f"Bearer {KEY}"},
        ) as client,
    ):
        for name in names:
            await tell_stages(client, name, ADAPTERS[name])
        for run in range(RUNS):
            for name in names:
                account = Account(name, accounts[name].secrets, accounts[name].settings)
                rate, worst = await _rate(client, name, _signed(name, account, run + 1))
                rates[name].append(rate)
                longest[name] = max(longest[name], worst)
    generic = statistics.median(rates[GENERIC])
    lines = [f"{'adapter':20} {'ratio':>6} {'per s':>7} {'spread':>13} {'longest':>8}"]
    ratios = {name: statistics.median(rates[name]) / generic for name in names}
    for name in sorted(names, key=lambda one: -ratios[one]):
        low, high = min(rates[name]) / generic, max(rates[name]) / generic
        median = statistics.median(rates[name])
        lines.append(f"{name:20} {ratios[name]:6.2f} {median:7.0f} {low:6.2f}–{high:.2f} {longest[name] * 1000:6.0f}ms")
    print("\n" + "\n".join(lines))  # noqa: T201 - a benchmark's answer
    assert min(ratios.values()) >= 0.5, ratios
    assert died == []
