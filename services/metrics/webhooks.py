"""Deliveries of alerts by signed webhook (Standard Webhooks): the same id on every attempt, growing pauses, an end."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from services.metrics.alert_desk import receiver_of
from services.metrics.alert_store import DueDelivery, load_due, save_attempt, save_gone
from shared.http.client import Deliverer, Delivery
from shared.http.standard_webhooks import signed_headers
from shared.kernel.clock import Clock
from shared.storage.database import Database
from shared.telemetry import metric_names
from shared.telemetry.metrics import Metrics

_LOG = structlog.get_logger(__name__)

PAUSES = tuple(
    timedelta(seconds=seconds)
    for seconds in (5, 30, 120, 600, 1800, 3600, 7200, 14_400, 28_800, 28_800, 43_200, 43_200, 86_400)
)
"""After each attempt that failed: some three days in all. A receiver that refuses may be mended meanwhile."""

_AT_ONCE = 20


@dataclass(frozen=True, slots=True, repr=False)
class Webhook:
    """Where to and signed with what; two secrets during a rotation. `repr` would show them, so there is none."""

    url: str
    secrets: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class WebhookSender:
    """Sends what is due. Two senders for a moment send twice, under one id."""

    webhook: Webhook
    database: Database
    deliverer: Deliverer
    clock: Clock
    metrics: Metrics
    pause: float = 1.0
    """Seconds between two looks at what is due."""

    async def run(self) -> None:
        """Send until cancelled. Raises UnavailableError when PostgreSQL is lost."""
        while True:
            if await self.tick() < _AT_ONCE:
                await asyncio.sleep(self.pause)

    async def tick(self) -> int:
        """Send what is due now, side by side: one receiver's slow answer holds up no other message. How many."""
        async with self.database.read() as reader:
            due = await load_due(reader, receiver_of(self.webhook.url), self.clock.now(), _AT_ONCE)
        await asyncio.gather(*(self._send(delivery) for delivery in due))
        return len(due)

    async def _send(self, delivery: DueDelivery) -> None:
        at = self.clock.now()
        headers = signed_headers(self.webhook.secrets, delivery.id, at, delivery.body)
        answer = await self.deliverer.post(
            self.webhook.url, delivery.body, {**headers, "content-type": "application/json"}
        )
        self.metrics.add(metric_names.DELIVERIES, channel="webhook", outcome=answer.outcome)
        next_at = next_attempt(answer, delivery.attempts, self.clock.now())
        if answer.outcome != "delivered":
            _LOG.warning(
                "webhook_not_delivered", delivery=delivery.id, outcome=answer.outcome, status=answer.status,
                reason=answer.reason, again=None if next_at is None else next_at.isoformat(),
            )  # fmt: skip
        async with self.database.write() as writer:
            await save_attempt(
                writer, delivery, at=at, outcome=answer.outcome, status=answer.status, reason=answer.reason,
                next_at=next_at,
            )  # fmt: skip
            if answer.outcome == "gone":
                await save_gone(writer, delivery.receiver, at)


def next_attempt(answer: Delivery, before: int, now: datetime) -> datetime | None:
    """When to try again after the attempt that followed `before` others; None: never. Retry-After is honoured."""
    if answer.outcome in ("delivered", "gone") or before >= len(PAUSES):
        return None
    return now + max(PAUSES[before], answer.retry_after or timedelta())
