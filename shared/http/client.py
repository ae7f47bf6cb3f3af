"""The only outgoing HTTP of the services: to configured receivers and sources, with one deadline for all of a call."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Literal, Self

import httpx

from shared.kernel.clock import Clock
from shared.kernel.errors import UnavailableError

Outcome = Literal["delivered", "retry", "gone", "refused"]

LONGEST_RETRY_AFTER = timedelta(days=1)
LONGEST_ANSWER = 64 * 1024 * 1024
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


@dataclass(frozen=True, slots=True)
class Answer:
    """Any answer; header names are lower-case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


class _Client:
    """Follows no redirects, keeps no cookies, reads no proxies or netrc from outside."""

    def __init__(self, *, deadline_seconds: float = 10.0, user_agent: str = "quintant") -> None:
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


class Requester(_Client):
    """Calls the API of a source."""

    async def request(self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        """One call, whatever it is answered. Raises UnavailableError, which never names the address, when no whole
        answer of at most 64 MiB comes within the deadline."""
        try:
            async with (
                asyncio.timeout(self._deadline),
                self._client.stream(method, url, content=body or None, headers=dict(headers)) as response,
            ):
                return Answer(response.status_code, dict(response.headers), await _bounded(response))
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OSError) as error:
            raise UnavailableError(type(error).__name__) from None
        finally:
            self._client.cookies.clear()


async def _bounded(response: httpx.Response) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > LONGEST_ANSWER:
            raise httpx.ReadError("too long")
    return bytes(body)


class Deliverer(_Client):
    """Posts and judges the answer."""

    def __init__(self, *, clock: Clock, deadline_seconds: float = 10.0, user_agent: str = "quintant") -> None:
        super().__init__(deadline_seconds=deadline_seconds, user_agent=user_agent)
        self._clock = clock

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
