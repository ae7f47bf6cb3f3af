"""API keys. The file holds a name, the SHA-256 of a key and its scopes a line; the key itself is stored nowhere."""

import hashlib
import hmac
import os
import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from fastapi import Depends
from starlette.requests import HTTPConnection, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from shared.http.headers import headers_of
from shared.http.problems import on_quintant_error
from shared.kernel.errors import ForbiddenError, UnauthenticatedError
from shared.telemetry.logging import get_logger

ScopeName = Literal["read", "write", "admin"]
SCOPES: tuple[ScopeName, ...] = ("read", "write", "admin")
OPEN_PATHS = frozenset({"/livez", "/readyz"})

_LINE = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]{0,63}):([0-9a-f]{64}):((?:read|write|admin)(?:,(?:read|write|admin))*)")
_REFUSED = "Send `Authorization: Bearer <key>` with a key made by `quintant keys create`."
_log = get_logger("quintant.auth")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls. A scope holds only itself: `admin` alone may not read."""

    name: str
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Key:
    digest: bytes
    caller: Caller


class ApiKeys:
    """The keys of one file, read again when it changes. Without the file every call is refused."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._stamp: tuple[int, int, int] | None = None
        self._keys: tuple[_Key, ...] = ()
        self._refresh()
        if not self._keys:
            _log.warning("no_api_keys", file=str(path or ""), remedy=_REMEDY)

    def find(self, key: str) -> Caller | None:
        """The caller with this key. Compares with every key, whether found or not, so time tells nothing."""
        self._refresh()
        digest = hashlib.sha256(key.encode()).hexdigest().encode()
        found: Caller | None = None
        for candidate in self._keys:
            if hmac.compare_digest(candidate.digest, digest):
                found = candidate.caller
        return found

    def _refresh(self) -> None:
        stamp = _stamp(self._path)
        if stamp == self._stamp:
            return
        self._keys = _parse(self._path.read_text("utf-8").splitlines()) if self._path and stamp else ()
        self._stamp = stamp
        _log.info("api_keys_read", file=str(self._path or ""), count=len(self._keys))


_REMEDY = "every call but /livez and /readyz is refused: run `quintant keys create` and set QUINTANT_API_KEYS_FILE"


def _stamp(path: Path | None) -> tuple[int, int, int] | None:
    try:
        status = os.stat(path) if path else None  # noqa: PTH116 - at every request: Path.stat takes twice as long
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_size, status.st_ino) if status else None


def _parse(lines: Iterable[str]) -> tuple[_Key, ...]:
    keys = []
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        match = _LINE.fullmatch(text)
        if match is None:
            _log.error("api_key_line_ignored", line=number, expected="name:sha256hex:scope[,scope]")
            continue
        name, digest, scopes = match.groups()
        keys.append(_Key(digest.encode(), Caller(name, frozenset(scopes.split(",")))))
    return tuple(keys)


def bearer(authorization: str) -> str:
    """The key of `Authorization: Bearer <key>`, or an empty text."""
    scheme, _, key = authorization.partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


def caller_of(scope: Scope, keys: ApiKeys) -> None:
    """Find out who calls, for `require` and the log. Raises UnauthenticatedError."""
    caller = keys.find(bearer(headers_of(scope).get("authorization", "")))
    if caller is None:
        raise UnauthenticatedError(_REFUSED)
    scope["quintant.caller"], scope["quintant.caller_name"] = caller, caller.name


class Authentication:
    """Refuses every request without a known key, so a route that forgot to ask is closed, not open.

    `signed_prefixes` are paths whose own credentials (a webhook signature) the route checks.
    """

    def __init__(self, app: ASGIApp, *, keys: ApiKeys, signed_prefixes: tuple[str, ...] = ()) -> None:
        self._app = app
        self._keys = keys
        self._signed = signed_prefixes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not self._is_open(scope["path"]):
            try:
                caller_of(scope, self._keys)
            except UnauthenticatedError as error:
                refusal = await on_quintant_error(Request(scope), error)
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _is_open(self, path: str) -> bool:
        return path in OPEN_PATHS or path.startswith(self._signed)


def require(needed: ScopeName) -> Callable[[HTTPConnection], Awaitable[Caller]]:
    """A dependency that gives the caller, or refuses one whose key lacks the scope."""

    async def checked(connection: HTTPConnection) -> Caller:
        caller: Caller | None = connection.scope.get("quintant.caller")
        if caller is None:
            raise UnauthenticatedError(_REFUSED)
        if needed not in caller.scopes:
            raise ForbiddenError(f"This key lacks the scope `{needed}`.")
        return caller

    return checked


Reader = Annotated[Caller, Depends(require("read"))]
Writer = Annotated[Caller, Depends(require("write"))]
Admin = Annotated[Caller, Depends(require("admin"))]
