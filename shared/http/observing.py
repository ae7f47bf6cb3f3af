"""The outermost ASGI layer: request id, trace, one log line and two metrics a request, by route template."""

import re
from collections.abc import MutableMapping
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.kernel.clock import Clock
from shared.kernel.ids import new_id
from shared.telemetry import tracing
from shared.telemetry.logging import get_logger
from shared.telemetry.metric_names import HTTP_REQUESTS, HTTP_SECONDS, METHODS
from shared.telemetry.metrics import Metrics

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
_PROBES = frozenset({"/livez", "/readyz", "/metrics"})
_log = get_logger("quintant.http")


def request_id_of(scope: MutableMapping[str, Any]) -> str:
    """The id that is in the answer's `x-request-id` and in the log."""
    request_id: str = scope.setdefault("quintant.request_id", "unknown")
    return request_id


class Observing:
    """Wraps an application; pure ASGI, because BaseHTTPMiddleware breaks context variables."""

    def __init__(self, app: ASGIApp, *, service: str, metrics: Metrics, clock: Clock) -> None:
        self._app = app
        self._service = service
        self._metrics = metrics
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        scope["quintant.request_id"] = given if _REQUEST_ID.fullmatch(given) else new_id()
        # Never reset: the server logs an exception after we returned, in this same task, and should name its trace.
        tracing.CURRENT.set(tracing.continued(headers.get("traceparent")))
        status, began = 500, self._clock.monotonic()

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message).setdefault("x-request-id", scope["quintant.request_id"])
            await send(message)

        try:
            await self._app(scope, receive, observed)
        finally:
            self._record(scope, status, self._clock.monotonic() - began)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "unmatched")
        method = scope["method"] if scope["method"] in METHODS else "other"
        labels = {"service": self._service, "route": route, "method": method, "status": f"{status // 100}xx"}
        self._metrics.add(HTTP_REQUESTS, **labels)
        self._metrics.observe(HTTP_SECONDS, seconds, **labels)
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
