"""How many bytes a body may have, counted as they come: a `Content-Length` can lie or be missing."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes of a body; `by_prefix` holds paths that take more (or less), the longest prefix wins."""

    body_bytes: int = MEBIBYTE
    by_prefix: Mapping[str, int] = field(default_factory=dict)

    def for_path(self, path: str) -> int:
        fitting = [prefix for prefix in self.by_prefix if path.startswith(prefix)]
        return self.by_prefix[max(fitting, key=len)] if fitting else self.body_bytes


class BodyLimit:
    """Raises Starlette's 413 inside the application: FastAPI lets only HTTPException through its body reading."""

    def __init__(self, app: ASGIApp, *, limits: Limits) -> None:
        self._app = app
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._limits.for_path(scope["path"])
        announced = Headers(scope=scope).get("content-length", "")
        too_large = announced.isascii() and announced.isdecimal() and int(announced[:20]) > limit
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            if too_large:
                raise _refusal()
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > limit:
                raise _refusal()
            return message

        await self._app(scope, counted, send)


def _refusal() -> HTTPException:
    # The rest of the body is never read, so the connection cannot be used again.
    return HTTPException(413, headers={"connection": "close"})
