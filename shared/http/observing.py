"""The outermost ASGI layer: request id, trace, one log line and two metrics a request, by route template."""

import logging
import re
from collections.abc import Callable, MutableMapping
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.http.headers import headers_of
from shared.kernel.clock import Clock
from shared.kernel.ids import new_id
from shared.telemetry import tracing
from shared.telemetry.logging import get_logger
from shared.telemetry.metric_names import HTTP_REQUESTS, HTTP_SECONDS, METHODS
from shared.telemetry.metrics import Metrics

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
_PROBES = frozenset({"/livez", "/readyz", "/metrics"})
_log = get_logger("quintant.http")
_level = logging.getLogger("quintant.http")


_Add = Callable[[float], None]


def named(given: str | None, fresh: str) -> str:
    """The id of a request: what its caller calls it, if that can be told, else a fresh one."""
    return given if given and _REQUEST_ID.fullmatch(given) else fresh


def request_id_of(scope: MutableMapping[str, Any]) -> str:
    """The id that is in the answer's `x-request-id` and in the log."""
    request_id: str = scope.setdefault("quintant.request_id", "unknown")
    return request_id


class Observer:
    """What is done at the beginning and at the end of every request."""

    def __init__(self, service: str, metrics: Metrics, clock: Clock) -> None:
        self._service = service
        self._metrics = metrics
        self._clock = clock
        self._counts: dict[tuple[str, str, int], tuple[_Add, _Add]] = {}

    @property
    def is_quiet(self) -> bool:
        """Whether requests are counted and not logged."""
        return not _level.isEnabledFor(logging.INFO)

    def begin(self, scope: Scope) -> float:
        """Name the request and continue its trace; the moment, for `end`."""
        headers, fresh = headers_of(scope), new_id()
        scope["quintant.request_id"] = named(headers.get("x-request-id"), fresh)
        # Never reset: the server logs an exception after we returned, in this same task, and should name its trace.
        tracing.CURRENT.set(tracing.continued(headers.get("traceparent"), lambda: fresh))
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
        key = route, method, status // 100
        if (found := self._counts.get(key)) is None:
            labels = {"service": self._service, "route": route, "method": method, "status": f"{key[2]}xx"}
            adding = self._metrics.adding(HTTP_REQUESTS, **labels), self._metrics.observing(HTTP_SECONDS, **labels)
            found = self._counts[key] = adding
        add, observe = found
        add(1)
        observe(seconds)


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
