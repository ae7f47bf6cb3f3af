"""Tells every Alertmanager (API v2) what fires, again and again: one that hears nothing more resolves by itself.

It keeps nothing: what fires is read from the episodes, so a restart or a lost answer needs no memory.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from services.metrics.alert_store import load_burning
from services.metrics.alert_wire import Burning, alertmanager_body
from services.metrics.domain.alerts import Receiver, StoredRule
from shared.http.client import Deliverer
from shared.kernel.clock import Clock
from shared.storage.database import Database
from shared.telemetry import metric_names
from shared.telemetry.metrics import Metrics

_LOG = structlog.get_logger(__name__)

PATH = "/api/v2/alerts"
TOLD_AFTER_END = timedelta(minutes=15)
"""How long an end is repeated, so that an instance that was away hears of it."""


@dataclass(slots=True)
class AlertmanagerSender:
    """Sends to every instance: they agree among themselves, a sender must not choose one."""

    urls: Sequence[str]
    database: Database
    deliverer: Deliverer
    clock: Clock
    metrics: Metrics
    resend: timedelta = timedelta(seconds=60)
    pause: float = 1.0
    """Seconds between two looks at whether an episode moved."""
    _sent: datetime | None = None
    _last: frozenset[tuple[str, int]] = field(default_factory=frozenset)

    async def run(self) -> None:
        """Send until cancelled. Raises UnavailableError when PostgreSQL is lost."""
        while True:
            await self.tick()
            await asyncio.sleep(self.pause)

    async def tick(self) -> bool:
        """Send if an episode moved or it is time to repeat; False if some instance did not take it."""
        now = self.clock.now()
        async with self.database.read() as reader:
            stored = await load_burning(reader, now - TOLD_AFTER_END)
        burning = [self._burning(rule, fired_at, now) for rule, fired_at in stored if _is_wanted(rule)]
        moved = frozenset((one.rule.id, one.rule.last.sequence) for one in burning if one.rule.last)
        if not burning or (moved == self._last and self._sent is not None and now - self._sent < self.resend):
            return True
        body = alertmanager_body(burning)
        taken = await asyncio.gather(*(self._send(url, body) for url in self.urls))
        # What an instance did not take is sent again soon, not only when it is time to repeat.
        self._sent, self._last = now, moved if all(taken) else frozenset()
        return all(taken)

    def _burning(self, rule: StoredRule, fired_at: datetime, now: datetime) -> Burning:
        """One that ended ends when it did; one that fires would end if nothing more were heard for four rounds."""
        assert rule.last is not None  # noqa: S101 - it has an episode
        return Burning(rule, fired_at, rule.last.at if rule.last.state.is_over else now + 4 * self.resend)

    async def _send(self, url: str, body: bytes) -> bool:
        answer = await self.deliverer.post(url.rstrip("/") + PATH, body, {"content-type": "application/json"})
        self.metrics.add(metric_names.DELIVERIES, channel="alertmanager", outcome=answer.outcome)
        if answer.outcome != "delivered":
            _LOG.warning("alertmanager_not_told", outcome=answer.outcome, status=answer.status, reason=answer.reason)
        return answer.outcome == "delivered"


def _is_wanted(rule: StoredRule) -> bool:
    return Receiver.ALERTMANAGER in rule.rule.receivers
