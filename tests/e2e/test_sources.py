"""From a CRM's signed webhooks to numbers: a made-up day at a source, told over HTTP to a running Quintant."""

import asyncio
import base64
import json
import random
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.ingest.sources import ADAPTERS
from services.ingest.sources.story import OPEN_STAGES, SimulatedDeal, SimulatedOrder, Subject, Thing, told
from tests.e2e.conftest import Company, started
from tests.e2e.golden import number, value

SEED, THINGS = 5, 60
CRM, SHOP = "twenty", "shopify"
RATE = Decimal("1.25")
"""Dollars for a euro."""


@pytest.fixture(scope="module")
async def selling(
    database_server: str, kafka_bootstrap: str, server_directory: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Company]:
    """A Quintant that is connected to a CRM and a shop, and was told a day of both, some of it twice, in disorder."""
    sources = tmp_path_factory.mktemp("sources") / "sources.json"
    secrets = [{"value": "not a secret", "since": "2026-01-01"}]
    settings = {CRM: {}, SHOP: {"shop": "simulated.myshopify.com"}}
    entries = {name: {"adapter": name, "secrets": secrets, "settings": said} for name, said in settings.items()}
    sources.write_text(json.dumps({"sources": entries}))
    where = {"QUINTANT_INGEST_SOURCES_FILE": str(sources)}
    async with started(database_server, kafka_bootstrap, server_directory, **where) as company:
        source = f"/sources/{CRM}"
        stages = {label: {"stage": stage} for label, stage in ADAPTERS[CRM].card.stages.items()}
        named = {"id": f"{source}#default", "of_source": source, "pipeline_id": "default", "stages": stages}
        await _tell(company, "stage-map", named)
        rate = {"id": "spot:EUR/USD", "rate_type": "spot", "base": "EUR", "quote": "USD", "rate": str(RATE)}
        await _tell(company, "exchange-rate", rate)
        for name in (CRM, SHOP):
            await _tell_day(company, name)
        yield company


async def _tell(company: Company, entity: str, data: dict[str, Any]) -> None:
    event = {
        "specversion": "1.0",
        "type": f"io.quintant.{entity}.changed.v1",
        "source": "/tests",
        "id": entity,
        "time": "2026-01-01T00:00:00Z",
        "data": data,
    }
    headers = {"content-type": "application/cloudevents+json"}
    answer = await company.http.post(f"{company.urls['ingest']}/v1/events", json=event, headers=headers)
    assert answer.status_code == 202, answer.text


async def _tell_day(company: Company, name: str) -> None:
    asked = {"seed": SEED, "things": THINGS}
    url = company.urls["ingest"]
    story = (await company.http.post(f"{url}/v1/sources/{name}/simulation", json=asked)).json()
    dice = random.Random(SEED)  # noqa: S311
    requests = story["requests"] + dice.sample(story["requests"], len(story["requests"]) // 5)
    dice.shuffle(requests)
    waiting = asyncio.Semaphore(20)

    async def send(one: dict[str, Any]) -> httpx.Response:
        async with waiting:
            body = base64.b64decode(one["body_base64"])
            return await company.http.request(
                one["method"], f"{url}/v1/webhooks/{name}", content=body, headers=one["headers"]
            )

    answers = await asyncio.gather(*map(send, requests))
    assert {answer.status_code for answer in answers} == {200, 202}
    company.tokens += [token for answer in answers if (token := answer.json().get("token"))]


@pytest.fixture(scope="module")
def truth() -> list[SimulatedDeal]:
    """The deals as they are at the end of the day."""
    return [deal for deal in _last("deals") if isinstance(deal, SimulatedDeal)]


@pytest.fixture(scope="module")
def orders() -> list[SimulatedOrder]:
    """The orders as they are at the end of the day."""
    return [order for order in _last("orders") if isinstance(order, SimulatedOrder)]


def _last(subject: Subject) -> list[Thing]:
    """The story's moments do not matter."""
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    steps = told(subject, seed=SEED, things=THINGS, begin=begin, span=timedelta(days=1))
    return list({step.now.number: step.now for step in steps}.values())


async def test_every_deal_stands_where_the_source_says(selling: Company, truth: list[SimulatedDeal]) -> None:
    found = (await selling.get("pipeline", "/v1/deals", limit=1000))["items"]
    alive = [deal for deal in truth if not deal.deleted]
    assert Counter(one["stage"] for one in found) == Counter(deal.stage for deal in alive)
    assert Counter((one["amount"]["amount"], one["amount"]["currency"]) for one in found) == Counter(
        (_plain(deal), deal.currency) for deal in alive
    )


def _plain(deal: SimulatedDeal) -> str:
    return format(deal.amount.normalize(), "f")


async def test_counts_are_those_of_the_source(selling: Company, truth: list[SimulatedDeal]) -> None:
    for slug, stages in (
        ("deals-won-count", {"won"}),
        ("deals-lost-count", {"lost"}),
        ("open-pipeline-count", set(OPEN_STAGES)),
    ):
        counted = sum(deal.stage in stages and not deal.deleted for deal in truth)
        assert await value(selling, slug) == counted, slug


async def test_the_money_is_that_of_the_shop(selling: Company, orders: list[SimulatedOrder]) -> None:
    def base(amount: Decimal, order: SimulatedOrder) -> Decimal:
        return amount * (RATE if order.currency == "EUR" else 1)

    alive = [order for order in orders if not order.cancelled]
    sold = sum((base(order.net - order.refunded, order) for order in alive), Decimal(0))
    paid = sum((base(order.net - order.refunded, order) for order in alive if order.paid_at), Decimal(0))
    assert await value(selling, "order-count") == len(alive)
    assert number(await value(selling, "revenue")) == sold
    assert number(await value(selling, "collections")) == paid
