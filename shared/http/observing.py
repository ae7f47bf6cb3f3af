"""The outermost ASGI layer: request id, trace, one log line and two metrics a request, by route template."""

import logging
import re
from collections.abc import MutableMapping
from typing import Any, NamedTuple

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.http.headers import headers_of
from shared.kernel.clock import Clock
from shared.kernel.ids import id_series
from shared.telemetry import tracing
from shared.telemetry.logging import get_logger
from shared.telemetry.metric_names import HTTP_REQUESTS, HTTP_SECONDS, METHODS
from shared.telemetry.metrics import Counts, Metrics, Observes

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
_PROBES = frozenset({"/livez", "/readyz", "/metrics"})
_log = get_logger("quintant.http")
_level = logging.getLogger("quintant.http")


def named(given: str | None, fresh: str) -> str:
    """The id of a request: what its caller calls it, if that can be told, else a fresh one."""
    return given if given and _REQUEST_ID.fullmatch(given) else fresh


def request_id_of(scope: MutableMapping[str, Any]) -> str:
    """The id that is in the answer's `x-request-id` and in the log."""
    request_id: str = scope.setdefault("quintant.request_id", "unknown")
    return request_id


class Series(NamedTuple):
    """What is counted of the requests of one route, method and kind of status."""

    requests: Counts
    seconds: Observes


class Observer:
    """What is done at the beginning and at the end of every request."""

    def __init__(self, service: str, metrics: Metrics, clock: Clock) -> None:
        self._service = service
        self._metrics = metrics
        self._clock = clock
        self._next_id = id_series()
        self._series: dict[tuple[str, str, int], Series] = {}

    @property
    def is_quiet(self) -> bool:
        """Whether requests are counted and not logged."""
        return not _level.isEnabledFor(logging.INFO)

    def begin(self, scope: Scope) -> float:
        """Name the request and continue its trace; the moment, for `end`."""
        headers, fresh = headers_of(scope), self._next_id()
        parent = headers.get("traceparent")
        scope["quintant.request_id"] = named(headers.get("x-request-id"), fresh)
        trace = tracing.continued(parent, lambda: fresh) if parent else tracing.Trace(fresh, fresh[:16])
        # Never reset: the server logs an exception after we returned, in this same task, and should name its trace.
        tracing.CURRENT.set(trace)
        return self._clock.monotonic()

    def end(self, scope: Scope, status: int, began: float) -> None:
        """Count, measure and log it."""
        seconds = self._clock.monotonic() - began
        route = getattr(scope.get("route"), "path", "unmatched")
        method = scope["method"] if scope["method"] in METHODS else "other"
        self.count(route, method, status, seconds)
        if self.is_quiet:
            return  # structlog takes longer to find that out than the rest of this
        say = _log.debug if route in _PROBES else _log.info
        say(
            "request",
            method=method,
            route=route,
            status=status,
            seconds=round(seconds, 6),
            caller=scope.get("quintant.caller_name"),
            request_id=request_id_of(scope),
        )

    def count(self, route: str, method: str, status: int, seconds: float) -> None:
        """The two metrics of a request."""
        hundred = status // 100
        series = self._series.get((route, method, hundred)) or self._series_of(route, method, hundred)
        series.requests.inc()
        series.seconds.observe(seconds)

    def _series_of(self, route: str, method: str, hundred: int) -> Series:
        labels = {"service": self._service, "route": route, "method": method, "status": f"{hundred}xx"}
        found = Series(self._metrics.counter(HTTP_REQUESTS, **labels), self._metrics.histogram(HTTP_SECONDS, **labels))
        return self._series.setdefault((route, method, hundred), found)


class Observing:
    """Wraps an application; pure ASGI, because BaseHTTPMiddleware breaks context variables."""

    def __init__(self, app: ASGIApp, *, observer: Observer) -> None:
        self._app = app
        self._observer = observer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, began = 500, self._observer.begin(scope)

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message).setdefault("x-request-id", scope["quintant.request_id"])
            await send(message)

        try:
            await self._app(scope, receive, observed)
        finally:
            self._observer.end(scope, status, began)
