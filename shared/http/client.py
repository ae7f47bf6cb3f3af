"""The only outgoing HTTP of the services: one POST to a configured receiver, with one deadline for all of it."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, timedelta
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Literal, Self

import httpx

from shared.kernel.clock import Clock

Outcome = Literal["delivered", "retry", "gone", "refused"]

LONGEST_RETRY_AFTER = timedelta(days=1)
_TRANSIENT = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class Delivery:
    """How one attempt ended. `gone` means never again; `refused` will be refused again until someone mends it."""

    outcome: Outcome
    status: int | None = None
    """`None` when no answer came."""
    retry_after: timedelta | None = None
    """What the receiver asked for, a day at most."""
    reason: str = ""
    """The kind of failure when no answer came; never an address."""


class Deliverer:
    """Posts and judges the answer. Follows no redirects, keeps no cookies, reads no proxies or netrc from outside."""

    def __init__(self, *, clock: Clock, deadline_seconds: float = 10.0, user_agent: str = "quintant") -> None:
        self._clock = clock
        self._deadline = deadline_seconds
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(deadline_seconds),
            follow_redirects=False,
            trust_env=False,
            headers={"user-agent": user_agent},
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Delivery:
        """One attempt. Raises nothing that the receiver or the network can cause."""
        try:
            async with (
                asyncio.timeout(self._deadline),
                self._client.stream("POST", url, content=body, headers=dict(headers)) as response,
            ):
                return self._judged(response.status_code, response.headers.get("retry-after", ""))
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            return Delivery("refused", reason=type(error).__name__)
        except (httpx.HTTPError, TimeoutError, OSError) as error:
            return Delivery("retry", reason=type(error).__name__)

    def _judged(self, status: int, retry_after: str) -> Delivery:
        if 200 <= status < 300:
            return Delivery("delivered", status)
        if status == 410:
            return Delivery("gone", status)
        if status in _TRANSIENT or status >= 500:
            return Delivery("retry", status, self._wait(retry_after))
        return Delivery("refused", status)

    def _wait(self, header: str) -> timedelta | None:
        """Seconds or an HTTP date (RFC 9110 section 10.2.3); anything else is as if it had not been sent."""
        text = header.strip()
        if text.isascii() and text.isdecimal():
            return min(timedelta(seconds=int(text[:9])), LONGEST_RETRY_AFTER)
        try:
            until = parsedate_to_datetime(text)
        except ValueError:
            return None
        if until.tzinfo is None:
            until = until.replace(tzinfo=UTC)
        return min(max(until - self._clock.now(), timedelta()), LONGEST_RETRY_AFTER)
