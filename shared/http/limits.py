"""How many bytes a body may have, counted as they come: a `Content-Length` can lie or be missing."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.http.headers import headers_of

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
        announced = headers_of(scope).get("content-length", "")
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            refuse_announced(announced, limit)
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > limit:
                raise refusal()
            return message

        await self._app(scope, counted, send)


def refuse_announced(length: str, limit: int) -> None:
    """Raises what `refusal` gives if a `Content-Length` says more than the limit."""
    if length.isascii() and length.isdecimal() and int(length[:20]) > limit:
        raise refusal()


def refusal() -> HTTPException:
    """To be raised for a body that is too large."""
    # The rest of the body is never read, so the connection cannot be used again.
    return HTTPException(413, headers={"connection": "close"})
