"""HTTP load from prepared bytes over raw sockets: a caller that costs less than the server that it calls.

It runs in a thread with an event loop of its own (uvloop) and tells its own share of a core, so that a run in which the
generator was the bottleneck is seen.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import uvloop

from quintant.stack.ports import LOOPBACK

T = TypeVar("T")
Answered = Callable[[int, bytes], None]
"""Takes status and body."""

_END, _LENGTH = b"\r\n\r\n", b"content-length: "


def request(method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    """The bytes of a request on a connection that is kept."""
    head = [f"{method} {path} HTTP/1.1", f"host: {LOOPBACK}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*head, f"content-length: {len(body)}", "", ""]).encode() + body


class Connection(asyncio.Protocol):
    """One request at a time; reads no more of an answer than it must."""

    def __init__(self) -> None:
        self._buffer = b""
        self._answered: Answered | None = None
        self._transport: asyncio.Transport | None = None
        self._lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none of asyncio's classes

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(_END)
        if end < 0:
            return
        begin = self._buffer.find(_LENGTH) + len(_LENGTH)
        body = end + len(_END)
        if len(self._buffer) - body < int(self._buffer[begin : self._buffer.index(b"\r", begin)]):
            return
        answer, self._buffer, answered = self._buffer, b"", self._answered
        self._answered = None
        if answered is not None:
            answered(int(answer[9:12]), answer[body:])

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._lost.set()
        if self._answered is not None:
            self._answered(0, b"")

    def send(self, message: bytes, answered: Answered) -> None:
        assert self._transport is not None
        self._answered = answered
        self._transport.write(message)

    async def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
            await self._lost.wait()


async def connect(port: int, count: int) -> list[Connection]:
    """So many connections, open."""
    loop = asyncio.get_running_loop()
    return [(await loop.create_connection(Connection, LOOPBACK, port))[1] for _ in range(count)]


@dataclass(frozen=True, slots=True)
class Load:
    """What came of the requests; `busy` is the generator's share of its core."""

    seconds: float
    statuses: Counter[int]
    busy: float


async def drive(port: int, requests: Sequence[bytes], connections: int) -> Load:
    """Send everything, each connection its next request as soon as the last is answered."""
    return await in_thread(lambda: _drive(port, requests, connections))


async def in_thread(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run it under uvloop, beside this loop."""

    def run() -> T:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(work())

    return await asyncio.to_thread(run)


async def _drive(port: int, requests: Sequence[bytes], count: int) -> Load:
    opened = await connect(port, count)
    rest, statuses = iter(requests), Counter[int]()
    done = asyncio.get_running_loop().create_future()
    began, spent = time.perf_counter(), time.thread_time()
    for connection in opened:
        _keep_sending(connection, rest, statuses, len(requests), done)
    await done
    seconds, busy = time.perf_counter() - began, time.thread_time() - spent
    for connection in opened:
        await connection.close()
    return Load(seconds, statuses, busy / seconds)


def _keep_sending(
    connection: Connection, rest: Iterator[bytes], statuses: Counter[int], expected: int, done: "asyncio.Future[None]"
) -> None:
    def answered(status: int, _body: bytes) -> None:
        statuses[status] += 1
        if statuses.total() == expected and not done.done():
            done.set_result(None)
        go_on()

    def go_on() -> None:
        message = next(rest, None)
        if message is not None:
            connection.send(message, answered)

    go_on()


class Pool:
    """Connections for requests that come at moments of their own; what finds none free waits for the next."""

    def __init__(self, connections: Sequence[Connection]) -> None:
        self._free = deque(connections)
        self._waiting: deque[tuple[bytes, asyncio.Future[tuple[int, bytes]]]] = deque()

    async def ask(self, message: bytes) -> tuple[int, bytes]:
        """Status and body of the answer."""
        answer: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()
        self._waiting.append((message, answer))
        self._send()
        return await answer

    async def close(self) -> None:
        for connection in self._free:
            await connection.close()

    def _send(self) -> None:
        while self._free and self._waiting:
            connection, (message, answer) = self._free.popleft(), self._waiting.popleft()
            connection.send(message, self._handing_over(connection, answer))

    def _handing_over(self, connection: Connection, answer: "asyncio.Future[tuple[int, bytes]]") -> Answered:
        def answered(status: int, body: bytes) -> None:
            self._free.append(connection)
            if not answer.done():
                answer.set_result((status, body))
            self._send()

        return answered
