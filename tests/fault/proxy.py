"""A TCP proxy on loopback that does to connections what networks do: drop, half-open, reset, refuse, delay, throttle.

`python -m tests.fault.proxy PORT TARGET` is a process of its own, so that it carries on whatever its test computes; it
does what each line of its input says, and then says so: the name of a method of `Wires` and its arguments, as a JSON
list.

Dropping holds bytes back, as retransmission does: after `heal` they arrive late, on connections that still live. The
kernel answers a connect also while everything is dropped, so to a client a dropped link is an open one that is silent.
"""

import asyncio
import json
import socket
import struct
import subprocess
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import uvloop

from quintant.stack.home import PROJECT
from quintant.stack.ports import LOOPBACK

UP, DOWN = "to the server", "to the client"
_CHUNK = 64 * 1024
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: closing sends a reset instead of an orderly end."""


@dataclass(slots=True)
class _Way:
    """One direction of all connections."""

    open: asyncio.Event = field(default_factory=asyncio.Event)
    delay: float = 0.0
    bytes_per_second: float = 0.0


@dataclass(slots=True, eq=False)
class _Link:
    """One connection, by its two ends."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    orphaned: bool = False
    """The server's end is gone and the client is not told."""
    held: asyncio.Event | None = None
    """Until then nothing passes."""


@dataclass(slots=True)
class Wires:
    """All connections that are forwarded to `target`."""

    target: int
    _refuses: bool = False
    _ways: dict[str, _Way] = field(default_factory=lambda: {UP: _Way(), DOWN: _Way()})
    _links: set[_Link] = field(default_factory=set)
    _held: list[asyncio.Event] = field(default_factory=list)
    _tasks: "set[asyncio.Task[None]]" = field(default_factory=set)

    def drop(self, *directions: str) -> None:
        """Nothing passes in these directions, or in both; nobody is told."""
        for one in directions or (UP, DOWN):
            self._ways[one].open.clear()

    def slow(self, delay: float, bytes_per_second: float = 0.0) -> None:
        """Each piece that passes takes so much longer, or passes no faster."""
        for way in self._ways.values():
            way.delay, way.bytes_per_second = delay, bytes_per_second

    def refuse(self) -> None:
        """Nobody listens any more: what is open is reset, and so is whatever comes."""
        self._refuses = True
        self.reset()

    def reset(self) -> None:
        """Reset every open connection, at both ends."""
        for link in list(self._links):
            _reset(link.client)
            _reset(link.server)

    def half_open(self) -> None:
        """The servers' ends of all open connections are gone and the clients are not told; new connections work."""
        for link in list(self._links):
            link.orphaned = True
            _reset(link.server)

    def hold(self) -> None:
        """What open connections send is kept back and arrives after `heal`, though the client has given up long since;
        new connections work."""
        for link in self._links:
            link.held = asyncio.Event()
            self._held.append(link.held)

    def heal(self) -> None:
        """From now on everything passes at once."""
        self._refuses = False
        for held in self._held:
            held.set()
        self._held.clear()
        for way in self._ways.values():
            way.delay = way.bytes_per_second = 0.0
            way.open.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection until both ends are closed."""
        try:
            if self._refuses:
                raise ConnectionRefusedError
            answers, server = await asyncio.open_connection(LOOPBACK, self.target)
        except OSError:
            _reset(writer)
            return
        link = _Link(writer, server)
        for end in (writer, server):
            end.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._links.add(link)
        try:
            await asyncio.wait({self._start(self._up(link, reader)), self._start(self._down(link, answers))})
        finally:
            self._links.discard(link)
            writer.close()
            server.close()

    def _start(self, carrying: Coroutine[None, None, None]) -> "asyncio.Task[None]":
        task = asyncio.create_task(carrying)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _up(self, link: _Link, reader: asyncio.StreamReader) -> None:
        with suppress(OSError):
            while part := await reader.read(_CHUNK):
                await self._pass(link, UP, len(part))
                if not link.orphaned:
                    link.server.write(part)
                    await link.server.drain()
        await self._ways[UP].open.wait()
        _end(link.server)

    async def _down(self, link: _Link, reader: asyncio.StreamReader) -> None:
        with suppress(OSError):
            while part := await reader.read(_CHUNK):
                await self._pass(link, DOWN, len(part))
                link.client.write(part)
                await link.client.drain()
        await self._ways[DOWN].open.wait()
        if not link.orphaned:
            _end(link.client)

    async def _pass(self, link: _Link, direction: str, size: int) -> None:
        way = self._ways[direction]
        pause = way.delay + (size / way.bytes_per_second if way.bytes_per_second else 0.0)
        if pause:
            await asyncio.sleep(pause)
        await way.open.wait()
        if link.held is not None:
            await link.held.wait()


async def _serve(port: int, target: int) -> None:
    """Forward until the input ends."""
    wires = Wires(target)
    wires.heal()
    await asyncio.start_server(wires.serve, LOOPBACK, port, backlog=512)
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    _say("ready")
    while line := await lines.readline():
        name, *arguments = json.loads(line)
        getattr(wires, name)(*arguments)
        _say(name)


def _say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy process, as its test sees it."""

    process: "subprocess.Popen[str]"

    def tell(self, *said: str | float) -> None:
        """Call a method of `Wires` with arguments; when this returns, it is done."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(said) + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == f"{said[0]}\n"


@contextmanager
def opened(port: int, target: int) -> Iterator[Proxy]:
    """A proxy that listens on `port` and lets everything through."""
    command = [sys.executable, "-m", __name__, str(port), str(target)]
    with subprocess.Popen(command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield Proxy(process)
        process.kill()


def _reset(writer: asyncio.StreamWriter) -> None:
    if writer.is_closing():
        return
    with suppress(OSError, AttributeError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()


def _end(writer: asyncio.StreamWriter) -> None:
    """No more comes; what the other end still says is carried."""
    with suppress(OSError, RuntimeError):
        if writer.can_write_eof() and not writer.is_closing():
            writer.write_eof()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1]), int(sys.argv[2])))
