"""Deliveries to a real receiver that misbehaves in every way it can."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from shared.http.client import LONGEST_RETRY_AFTER, Deliverer, Delivery

NOW = datetime(2026, 1, 2, tzinfo=UTC)


class FixedClock:
    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return 0.0


@asynccontextmanager
async def receiver(answer: bytes | None) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Answers every request with these bytes; with `None` it never answers."""
    got: list[bytes] = []
    silent = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        size = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        got.append(head + await reader.readexactly(size))
        if answer is None:
            await silent.wait()
        else:
            writer.write(answer)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook", got
    finally:
        silent.set()
        server.close()
        await server.wait_closed()


def raw(status: int, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} X", *headers, "content-length: 0", "connection: close"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def post(url: str, deadline: float = 5.0) -> Delivery:
    async with Deliverer(clock=FixedClock(), deadline_seconds=deadline) as deliverer:
        return await deliverer.post(url, b'{"a":1}', {"webhook-id": "msg_1", "content-type": "application/json"})


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (raw(200), Delivery("delivered", 200)),
        (raw(204), Delivery("delivered", 204)),
        (raw(410), Delivery("gone", 410)),
        (raw(400), Delivery("refused", 400)),
        (raw(302, "location: http://127.0.0.1:9/"), Delivery("refused", 302)),
        (raw(500), Delivery("retry", 500)),
        (raw(429, "retry-after: 7"), Delivery("retry", 429, timedelta(seconds=7))),
        (raw(503, "retry-after: 999999999999"), Delivery("retry", 503, LONGEST_RETRY_AFTER)),
        (raw(503, "retry-after: soon"), Delivery("retry", 503)),
        (
            raw(503, f"retry-after: {format_datetime(NOW + timedelta(minutes=2), usegmt=True)}"),
            Delivery("retry", 503, timedelta(minutes=2)),
        ),
        (
            raw(503, f"retry-after: {format_datetime(NOW - timedelta(minutes=2), usegmt=True)}"),
            Delivery("retry", 503, timedelta()),
        ),
        (raw(503, "retry-after: Fri, 02 Jan 2026 00:01:00 -0000"), Delivery("retry", 503, timedelta(minutes=1))),
    ],
)
async def test_outcomes(answer: bytes, expected: Delivery) -> None:
    async with receiver(answer) as (url, got):
        assert await post(url) == expected
        assert len(got) == 1
        assert b"webhook-id: msg_1" in got[0]
        assert got[0].endswith(b'{"a":1}')


async def test_a_silent_receiver_is_tried_again() -> None:
    async with receiver(None) as (url, _):
        delivery = await post(url, deadline=0.1)
    assert (delivery.outcome, delivery.status) == ("retry", None)
    assert delivery.reason


async def test_nonsense_is_tried_again() -> None:
    async with receiver(b"no http\r\n\r\n") as (url, _):
        assert (await post(url)).outcome == "retry"


async def test_nobody_listens() -> None:
    async with receiver(raw(200)) as (url, _):
        pass
    assert (await post(url)).outcome == "retry"


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/x", "no-url", "http://[::1", "file:///etc/passwd"])
async def test_an_address_that_is_none(url: str) -> None:
    assert (await post(url)).outcome == "refused"
