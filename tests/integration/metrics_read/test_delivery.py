"""Alerts leave the house: signed webhooks and Alertmanager, against a real HTTP server on the loopback."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from services.metrics.alert_desk import Desk, receiver_of
from services.metrics.alert_job import AlertJob
from services.metrics.alert_store import load_rule
from services.metrics.alerting import Evaluator
from services.metrics.alertmanager import TOLD_AFTER_END, AlertmanagerSender
from services.metrics.domain.alerts import Comparison, Rule, State, StoredRule
from services.metrics.domain.alerts import Receiver as Channel
from services.metrics.gauges import Gauges
from services.metrics.webhooks import PAUSES, Webhook, WebhookSender
from shared.http.client import Deliverer
from shared.http.standard_webhooks import secret_bytes, verify
from shared.kernel.errors import UnauthenticatedError
from shared.sales.references import Key
from shared.storage.database import Database
from shared.storage.progress import Mark, save_mark
from shared.telemetry.metrics import Metrics
from tests.integration.metrics_read.app import HandClock, questions_on
from tests.integration.metrics_read.books import fold_all, open_books, said
from tests.integration.metrics_read.receiver import Receiver, receiving

OLD, NEW = (secret_bytes("whsec_" + text) for text in ("b2xkIHNlY3JldCBvZiB0ZXN0cw==", "bmV3IHNlY3JldCBvZiB0ZXN0cw=="))
RULE = Rule(
    title="Cash is late", kpi="collections", comparison=Comparison.BELOW, fire="100", clear="150",  # type: ignore[arg-type]
    where={"channel": ("web", None)},
)  # fmt: skip


@dataclass(slots=True)
class Outside:
    """What watches, and who listens."""

    database: Database
    clock: HandClock
    metrics: Metrics
    deliverer: Deliverer
    receiver: Receiver
    other: Receiver
    desk: Desk

    def webhooks(self) -> WebhookSender:
        webhook = Webhook(f"{self.receiver.url}/hook?token=hidden", [NEW, OLD])
        return WebhookSender(webhook, self.database, self.deliverer, self.clock, self.metrics)

    def alertmanagers(self) -> AlertmanagerSender:
        urls = [self.receiver.url, f"{self.other.url}/"]
        return AlertmanagerSender(urls, self.database, self.deliverer, self.clock, self.metrics)

    async def make(self, rule: Rule = RULE) -> StoredRule:
        return await self.desk.create(rule, "test")

    async def step(self, stored: StoredRule, *states: State) -> StoredRule:
        """Take these steps at this moment."""
        async with self.database.write() as writer:
            for state in states:
                current = await load_rule(writer, stored.id)
                assert current is not None
                await self.desk.step(writer, current, state, at=self.clock.now())
            found = await load_rule(writer, stored.id)
        assert found is not None
        return found

    def alerts(self, receiver: Receiver) -> list[dict[str, Any]]:
        """What Alertmanager was told last."""
        told: list[dict[str, Any]] = json.loads(receiver.received[-1].body)
        return told


@pytest.fixture
async def outside(database_url: str) -> AsyncIterator[Outside]:
    clock = HandClock()
    async with (
        open_books(database_url) as database,
        receiving() as receiver,
        receiving() as other,
        Deliverer(clock=clock, deadline_seconds=5) as deliverer,
    ):
        async with database.write() as writer:
            await writer.execute(
                """TRUNCATE alert_rule, alert_transition, webhook_delivery, webhook_attempt, webhook_gone, outbox,
                   position"""
            )
        desk = Desk(questions_on(database, clock), receiver_of(f"{receiver.url}/hook?token=hidden"))
        yield Outside(database, clock, Metrics(), deliverer, receiver, other, desk)


async def test_a_webhook_is_signed_and_says_what_happened(outside: Outside) -> None:
    stored = await outside.step(await outside.make(), State.PENDING, State.FIRING)
    assert await outside.webhooks().tick() == 1  # nobody is called for what is only pending
    (received,) = outside.receiver.received
    assert received.path == "/hook?token=hidden"
    assert verify([NEW], received.headers, received.body, outside.clock.now()) == f"{stored.id}-2"
    assert verify([OLD], received.headers, received.body, outside.clock.now()) == f"{stored.id}-2"
    with pytest.raises(UnauthenticatedError):
        verify([NEW], received.headers, received.body + b" ", outside.clock.now())
    body = json.loads(received.body)
    assert (body["type"], body["timestamp"]) == ("io.quintant.alert.firing.v1", "2026-11-22T04:00:00Z")
    assert {name: body["data"][name] for name in ("rule", "title", "kpi", "filters", "state", "unit")} == {
        "rule": stored.id, "title": "Cash is late", "kpi": "collections", "filters": {"channel": ["web", "none"]},
        "state": "firing", "unit": "money",
    }  # fmt: skip
    assert await outside.webhooks().tick() == 0


async def test_a_failed_webhook_is_tried_again_under_the_same_id(outside: Outside) -> None:
    await outside.step(await outside.make(), State.PENDING, State.FIRING)
    sender = outside.webhooks()
    outside.receiver.status = 503
    assert await sender.tick() == 1
    assert await sender.tick() == 0
    outside.clock.at += PAUSES[0]
    outside.receiver.headers = {"retry-after": "3600"}
    assert await sender.tick() == 1
    outside.clock.at += PAUSES[1]
    assert await sender.tick() == 0  # the receiver asked for an hour
    outside.clock.forward(hours=1)
    outside.receiver.status = 200
    assert await sender.tick() == 1
    outside.clock.forward(days=30)
    assert await sender.tick() == 0
    ids = {one.headers["webhook-id"] for one in outside.receiver.received}
    times = [int(one.headers["webhook-timestamp"]) for one in outside.receiver.received]
    assert len(ids) == 1
    assert times == sorted(set(times))
    assert len(times) == 3
    shown = outside.metrics.render().decode()
    assert 'quintant_deliveries_total{channel="webhook",outcome="retry"} 2.0' in shown
    assert 'quintant_deliveries_total{channel="webhook",outcome="delivered"} 1.0' in shown


async def test_it_gives_up_after_some_days(outside: Outside) -> None:
    await outside.step(await outside.make(), State.PENDING, State.FIRING)
    outside.receiver.status = 500
    sender, began = outside.webhooks(), outside.clock.now()
    for pause in (*PAUSES, timedelta()):
        assert await sender.tick() == 1
        outside.clock.at += pause
    assert timedelta(days=2) < outside.clock.now() - began < timedelta(days=5)
    outside.clock.forward(days=365)
    assert await sender.tick() == 0


async def test_a_receiver_that_is_gone_is_left_alone(outside: Outside) -> None:
    stored = await outside.step(await outside.make(), State.PENDING, State.FIRING)
    outside.receiver.status = 410
    sender = outside.webhooks()
    assert await sender.tick() == 1
    outside.receiver.status = 200
    await outside.step(stored, State.RESOLVED)
    outside.clock.forward(days=30)
    assert await sender.tick() == 0
    assert len(outside.receiver.received) == 1


async def test_no_redirect_is_followed(outside: Outside) -> None:
    await outside.step(await outside.make(), State.PENDING, State.FIRING)
    outside.receiver.status = 302
    outside.receiver.headers = {"location": f"{outside.other.url}/stolen"}
    assert await outside.webhooks().tick() == 1
    assert outside.other.received == []
    outside.clock.at += PAUSES[0]
    assert await outside.webhooks().tick() == 1


async def test_who_does_not_answer_is_tried_again(outside: Outside) -> None:
    await outside.step(await outside.make(), State.PENDING, State.FIRING)
    sender = outside.webhooks()
    dead = WebhookSender(
        Webhook("http://127.0.0.1:9/hook", [NEW]), outside.database, outside.deliverer, outside.clock, outside.metrics
    )
    async with outside.database.write() as writer:
        await writer.execute("UPDATE webhook_delivery SET receiver = $1", receiver_of(dead.webhook.url))
    assert await dead.tick() == 1
    async with outside.database.read() as reader:
        row = await reader.row("SELECT outcome, status, reason FROM webhook_attempt")
    assert row is not None
    assert (row["outcome"], row["status"]) == ("retry", None)
    assert "127.0.0.1" not in row["reason"]
    assert await sender.tick() == 0


async def test_every_alertmanager_is_told_again_and_again(outside: Outside) -> None:
    stored = await outside.step(await outside.make(), State.PENDING)
    sender = outside.alertmanagers()
    await sender.tick()
    assert outside.receiver.received == []  # only pending
    await outside.step(stored, State.FIRING)
    fired = outside.clock.now()
    assert await sender.tick()
    for receiver in (outside.receiver, outside.other):
        (received,) = receiver.received
        assert (received.path, received.headers["content-type"]) == ("/api/v2/alerts", "application/json")
        (alert,) = outside.alerts(receiver)
        assert alert["labels"] == {
            "alertname": "QuintantKpi", "rule": stored.id, "kpi": "collections", "severity": "warning",
            "channel": "web|none",
        }  # fmt: skip
        assert alert["annotations"]["summary"] == "Cash is late"
        assert datetime.fromisoformat(alert["startsAt"]) == fired
        assert datetime.fromisoformat(alert["endsAt"]) > fired
    await sender.tick()
    assert len(outside.receiver.received) == 1
    outside.clock.at += sender.resend
    await sender.tick()
    assert len(outside.receiver.received) == 2
    (alert,) = outside.alerts(outside.receiver)
    assert datetime.fromisoformat(alert["endsAt"]) > outside.clock.now()
    assert datetime.fromisoformat(alert["startsAt"]) == fired


async def test_an_acknowledged_alert_goes_on_and_an_end_is_told(outside: Outside) -> None:
    stored = await outside.step(await outside.make(), State.PENDING, State.FIRING, State.ACKNOWLEDGED)
    sender = outside.alertmanagers()
    await sender.tick()
    assert len(outside.alerts(outside.receiver)) == 1
    outside.clock.forward(seconds=5)
    await outside.step(stored, State.RESOLVED)
    ended = outside.clock.now()
    await sender.tick()
    (alert,) = outside.alerts(outside.receiver)
    assert datetime.fromisoformat(alert["endsAt"]) == ended
    told = len(outside.receiver.received)
    outside.clock.at += TOLD_AFTER_END + timedelta(seconds=1)
    await sender.tick()
    assert len(outside.receiver.received) == told


async def test_an_instance_that_was_away_hears_of_it_soon(outside: Outside) -> None:
    await outside.step(await outside.make(), State.PENDING, State.FIRING)
    outside.other.status = 500
    sender = outside.alertmanagers()
    assert not await sender.tick()
    outside.other.status = 200
    assert await sender.tick()
    assert len(outside.other.received) == 2


async def test_a_rule_goes_only_where_it_should(outside: Outside) -> None:
    quiet = Rule(**{**_fields(RULE), "receivers": (Channel.WEBHOOK,)})
    await outside.step(await outside.make(quiet), State.PENDING, State.FIRING)
    await outside.alertmanagers().tick()
    assert outside.receiver.received == []
    assert await outside.webhooks().tick() == 1
    loud = Rule(**{**_fields(RULE), "receivers": (Channel.ALERTMANAGER,)})
    await outside.step(await outside.make(loud), State.PENDING, State.FIRING)
    assert await outside.webhooks().tick() == 0
    await outside.alertmanagers().tick()
    assert len(outside.alerts(outside.other)) == 1


def _fields(rule: Rule) -> dict[str, Any]:
    return {name: getattr(rule, name) for name in rule.__slots__}


async def test_from_a_number_to_a_call(outside: Outside) -> None:
    """Everything that watches runs as it does in a worker, on a real clock, until both receivers were called."""
    rule = Rule(
        **{**_fields(RULE), "where": {}, "comparison": Comparison.ABOVE, "fire": Decimal(0), "clear": Decimal(0)}
    )
    await outside.make(rule)
    day = date(2026, 11, 20)
    money = {"amount": "5", "currency": "USD"}
    paid = said("1", day, {"amount": money, "received_on": day.isoformat(), "kind": "receipt"})
    await fold_all(outside.database, {Key("payment", "p1"): (paid,)}, {}, at=outside.clock.now(), partitions=1)
    async with outside.database.write() as writer:
        await save_mark(writer, Mark(1, outside.clock.now(), {0: 1}))
    evaluator = Evaluator(outside.desk, outside.metrics, behind_limit=0, pause=0.01)
    webhooks, alertmanagers = replace(outside.webhooks(), pause=0.01), outside.alertmanagers()
    alertmanagers.pause = 0.01
    alertmanagers.urls = [outside.other.url]
    tasks = [evaluator.run, webhooks.run, alertmanagers.run, Gauges(outside.desk.questions, outside.metrics, 0.01).run]
    job = asyncio.create_task(AlertJob(outside.database, tasks).run())
    try:
        async with asyncio.timeout(20):
            await outside.receiver.called.wait()
            await outside.other.called.wait()
    finally:
        job.cancel()
        await asyncio.gather(job, return_exceptions=True)
    assert b"quintant_alert_episodes_firing" not in outside.metrics.render()
    assert json.loads(outside.receiver.received[0].body)["data"]["value"] == "5"
