"""In front of an application: kept answers, given without running a route. All else is left to the application.

A hit is the same request to the byte, of a caller who may read: there is nothing in it that would have to be parsed, so
parameters are declared in the route alone.
"""

import asyncio
from collections.abc import Hashable

from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from shared.http.auth import ApiKeys, Caller, bearer
from shared.http.caching import is_known
from shared.http.kept import VOUCHED, Told, target_of
from shared.http.observing import Observer, named
from shared.http.snapshot import Snapshots
from shared.kernel.errors import QuintantError
from shared.kernel.ids import id_series

_Sent = dict[bytes, bytes]
"""The headers of a request that names none twice."""

_NAMED = b"x-request-id"


class HitsFirst:
    """Wraps an application one of whose routes keeps its answers."""

    def __init__(
        self, app: ASGIApp, *, route: BaseRoute, snapshots: Snapshots, keys: ApiKeys, observer: Observer
    ) -> None:
        self._app = app
        self._route = route
        self._path: str = getattr(route, "path", "unmatched")
        self._snapshots = snapshots
        self._kept = snapshots.kept
        self._monotonic = snapshots.clock.monotonic
        self._keys = keys
        self._observer = observer
        self._looking = asyncio.Lock()
        self._readers: dict[bytes, Caller] = {}
        self._readers_until = 0.0
        self._next_id = id_series()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "GET":
            target = target_of(scope)
            told = self._kept.find(target)
            if told is not None:
                began, headers = self._monotonic(), scope["headers"]
                sent: _Sent = dict(headers)
                caller = self._reader(sent.get(b"authorization", b""), began) if len(sent) == len(headers) else None
                if caller is not None:
                    if not self._kept.is_vouched_for(began):
                        told = await self._find(target)
                    if told is not None:
                        await self._give(told, scope, sent, caller, began, send)
                        return
        await self._app(scope, receive, send)

    async def _find(self, target: Hashable) -> Told | None:
        """The answer after another look; None if what it was read from has moved or is out of reach."""
        return self._kept.find(target) if await self._look() else None

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
        async with self._looking:
            if not self._kept.is_vouched_for(self._monotonic()):
                try:
                    async with self._snapshots.snapshot():
                        pass
                except QuintantError:
                    return False
            return self._kept.is_vouched_for(self._monotonic())

    async def _give(self, told: Told, scope: Scope, sent: _Sent, caller: Caller, began: float, send: Send) -> None:
        asked, status, headers, body = sent.get(b"if-none-match"), 200, told.headers, told.body
        if asked is not None and is_known(asked.decode("latin-1"), told.etag):
            status, headers, body = 304, told.unchanged_headers, b""
        observer, is_quiet = self._observer, self._observer.is_quiet
        if is_quiet:
            given = sent.get(b"x-request-id")
            fresh = self._next_id()
            name = fresh if given is None else named(given.decode("latin-1"), fresh)
        else:  # what is logged belongs to a trace
            scope["route"], scope["quintant.caller_name"] = self._route, caller.name
            observer.begin(scope)
            name = scope["quintant.request_id"]
        start = {"type": "http.response.start", "status": status, "headers": (*headers, (_NAMED, name.encode()))}
        await send(start)
        await send({"type": "http.response.body", "body": body})
        if is_quiet:
            observer.count(self._path, "GET", status, self._monotonic() - began)
        else:
            observer.end(scope, status, began)
