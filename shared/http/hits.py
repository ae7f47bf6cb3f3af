"""In front of an application: kept answers, given without running a route. All else is left to the application.

A hit is the same request to the byte, of a caller who may read: there is nothing in it that would have to be parsed, so
parameters are declared in the route alone.
"""

import asyncio

from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from shared.http.auth import ApiKeys, Caller, bearer
from shared.http.caching import is_known
from shared.http.kept import VOUCHED, Told, target_of
from shared.http.observing import Observer
from shared.http.snapshot import Snapshots
from shared.kernel.errors import QuintantError

_Sent = dict[bytes, bytes]
"""The headers of a request that names none twice."""


class HitsFirst:
    """Wraps an application one of whose routes keeps its answers."""

    def __init__(
        self, app: ASGIApp, *, route: BaseRoute, snapshots: Snapshots, keys: ApiKeys, observer: Observer
    ) -> None:
        self._app = app
        self._route = route
        self._snapshots = snapshots
        self._keys = keys
        self._observer = observer
        self._looking = asyncio.Lock()
        self._readers: dict[bytes, Caller] = {}
        self._readers_until = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "GET" and self._snapshots.kept.holds(target_of(scope)):
            sent: _Sent = dict(scope["headers"])
            told = await self._find(scope, sent) if len(sent) == len(scope["headers"]) else None
            if told is not None:
                await self._give(told, scope, sent, send)
                return
        await self._app(scope, receive, send)

    async def _find(self, scope: Scope, sent: _Sent) -> Told | None:
        """The answer; None for a caller who may not read, and if what it was read from has moved or is out of reach."""
        snapshots = self._snapshots
        now = snapshots.clock.monotonic()
        caller = self._reader(sent.get(b"authorization", b""), now)
        if caller is None:
            return None
        scope["quintant.caller_name"] = caller.name
        if not snapshots.kept.is_vouched_for(now) and not await self._look():
            return None
        return snapshots.kept.find(target_of(scope))

    def _reader(self, authorization: bytes, now: float) -> Caller | None:
        """The caller, if that is one who may read. The file of keys is looked at as often as the books are."""
        if now > self._readers_until:
            self._readers.clear()
            self._readers_until = now + VOUCHED
        if (known := self._readers.get(authorization)) is not None:
            return known
        caller = self._keys.find(bearer(authorization.decode("latin-1")))
        if caller is None or "read" not in caller.scopes:
            return None
        self._readers[authorization] = caller
        return caller

    async def _look(self) -> bool:
        """See where the books stand; of many requests at once one looks for all."""
        snapshots = self._snapshots
        async with self._looking:
            if not snapshots.kept.is_vouched_for(snapshots.clock.monotonic()):
                try:
                    async with snapshots.snapshot():
                        pass
                except QuintantError:
                    return False
            return snapshots.kept.is_vouched_for(snapshots.clock.monotonic())

    async def _give(self, told: Told, scope: Scope, sent: _Sent, send: Send) -> None:
        began = self._observer.begin(scope)
        scope["route"] = self._route
        asked, status, headers, body = sent.get(b"if-none-match"), 200, told.headers, told.body
        if asked is not None and is_known(asked.decode("latin-1"), told.etag):
            status, headers, body = 304, told.unchanged_headers, b""
        named = (b"x-request-id", scope["quintant.request_id"].encode())
        await send({"type": "http.response.start", "status": status, "headers": (*headers, named)})
        await send({"type": "http.response.body", "body": body})
        self._observer.end(scope, status, began)
