"""Liveness, readiness and metrics. Readiness asks named checks, each with its own deadline, at most once a second."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import PlainTextResponse, Response

from shared.http.answers import JsonResponse
from shared.http.auth import require
from shared.kernel.clock import Clock
from shared.kernel.errors import QuintantError
from shared.telemetry.logging import get_logger
from shared.telemetry.metrics import CONTENT_TYPE, Metrics

Check = Callable[[], Awaitable[None]]
"""Returns when ready; raises when not. The detail of a QuintantError is shown, of anything else only its kind."""

KEEP_SECONDS = 1.0
_log = get_logger("quintant.health")


@dataclass(frozen=True, slots=True)
class Report:
    """What is not ready, by check; empty means ready."""

    reasons: Mapping[str, str] = field(default_factory=dict)

    @property
    def ready(self) -> bool:
        return not self.reasons


class Readiness:
    """May this process be sent work?"""

    def __init__(self, checks: Mapping[str, Check], *, clock: Clock, deadline_seconds: float = 2.0) -> None:
        self._checks = dict(checks)
        self._clock = clock
        self._deadline = deadline_seconds
        self._lock = asyncio.Lock()
        self._kept: tuple[float, Report] | None = None
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._draining = False

    def drain(self) -> None:
        """From now on not ready, whatever the checks say."""
        self._draining = True

    async def report(self) -> Report:
        """The present answer, at most a second old; concurrent callers share one round of checks."""
        if self._draining:
            return Report({"process": "is shutting down"})
        async with self._lock:
            if self._kept is None or self._clock.monotonic() - self._kept[0] > KEEP_SECONDS:
                report = await self._ask()
                self._tell(report)
                self._kept = (self._clock.monotonic(), report)
            return self._kept[1]

    async def _ask(self) -> Report:
        found = await asyncio.gather(*(self._bounded(name) for name in self._checks), return_exceptions=True)
        reasons = {}
        for name, outcome in zip(self._checks, found, strict=True):
            if isinstance(outcome, BaseException):
                reasons[name] = self._reason(outcome)
        return Report(reasons)

    def _tell(self, report: Report) -> None:
        """Log changes only: probes come every second."""
        before = self._kept[1] if self._kept else Report()
        if not report.ready and report != before:
            _log.warning("not_ready", reasons=report.reasons)
        elif report.ready and not before.ready:
            _log.info("ready_again")

    async def _bounded(self, name: str) -> None:
        """The check, for as long as it may take. To give up a call to a server that hangs can take longer than that, so
        nobody waits for it; meanwhile the answer is known, and no further connection is spent on it.
        """
        asking = self._asking.get(name)
        if asking is None or asking.done():
            asking = self._asking[name] = asyncio.create_task(_run(self._checks[name]))
            asking.add_done_callback(_take_note)
        elif asking.cancelling():
            raise TimeoutError
        await asyncio.wait([asking], timeout=self._deadline)
        if not asking.done():
            asking.cancel()
            raise TimeoutError
        asking.result()

    def _reason(self, error: BaseException) -> str:
        if isinstance(error, QuintantError):
            return error.detail
        if isinstance(error, TimeoutError):
            return f"no answer within {self._deadline:g} s"
        return f"failed ({type(error).__name__})"


async def _run(check: Check) -> None:
    await check()


def _take_note(asked: asyncio.Task[None]) -> None:
    """What it ends with after it was given up concerns nobody."""
    if not asked.cancelled():
        asked.exception()


def health_router(ready: Readiness, metrics: Metrics) -> APIRouter:
    """`/livez`, `/readyz` and `/metrics`, the same for an api and a worker."""
    router = APIRouter(tags=["operations"])

    @router.get("/livez", summary="The process runs; asks nothing else")
    async def livez() -> Response:
        return JsonResponse({"status": "alive"})

    @router.get("/readyz", summary="The process may be sent work", responses={503: {"description": "Not ready"}})
    async def readyz() -> Response:
        report = await ready.report()
        body = {"status": "ready" if report.ready else "not ready", "reasons": report.reasons}
        return JsonResponse(body, 200 if report.ready else 503)

    @router.get("/metrics", summary="Prometheus metrics", response_class=PlainTextResponse)
    async def prometheus(_caller: Annotated[object, Depends(require("read"))]) -> Response:
        return Response(metrics.render(), headers={"content-type": CONTENT_TYPE})

    return router
