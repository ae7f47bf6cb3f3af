"""How long after its 202 an event is in a number over HTTP, while events come steadily."""

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from statistics import median

import msgspec
import pytest

from tests.bench.ground import Ground, port_of
from tests.bench.load import Pool, connect, in_thread, request
from tests.bench.rounds import RUNS, show, verdict
from tests.bench.workload import webhooks

pytestmark = pytest.mark.bench

A_SECOND = int(os.environ.get("BENCH_A_SECOND", "500"))
SECONDS, EVERY = 6, 15
"""Each so-manieth event is asked for."""
BAR_P50, BAR_P99, AIM_P99 = 0.040, 0.150, 0.050

Path = Callable[[str], str]
PATHS: dict[str, Path] = {
    "metrics": lambda _subject: "/v1/kpis/deals-created-count",
    "pipeline": lambda subject: f"/v1/deals/{subject}",
}


@dataclass
class Waits:
    """Seconds from the 202 to the answer, and how late the events were sent."""

    seconds: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)

    def at(self, share: float) -> float:
        return sorted(self.seconds)[int(share * (len(self.seconds) - 1))]


@dataclass(frozen=True)
class Steady:
    """Sends events at their moments, whatever becomes of those before; asks for some of them."""

    accept: Pool
    read: Pool
    path: Path
    key: str

    async def run(self, events: Sequence[bytes], label: str) -> Waits:
        waits, loop = Waits(), asyncio.get_running_loop()
        begin = loop.time() + 0.05
        sending: list[asyncio.Task[None]] = []
        done = asyncio.Event()

        def send(index: int) -> None:
            waits.late.append(loop.time() - begin - index / A_SECOND)
            asked = f"{label}-{index}" if index % EVERY == 0 else None
            sending.append(loop.create_task(self._tell(events[index], asked, waits)))
            if index + 1 < len(events):
                loop.call_at(begin + (index + 1) / A_SECOND, send, index + 1)
            else:
                done.set()

        loop.call_at(begin, send, 0)
        await done.wait()
        await asyncio.gather(*sending)
        return waits

    async def _tell(self, event: bytes, asked: str | None, waits: Waits) -> None:
        status, body = await self.accept.ask(event)
        assert status == 202, body
        if asked is None:
            return
        began = time.perf_counter()
        token = msgspec.json.decode(body)["token"]
        path = f"{self.path(asked)}?after={token}"
        status, body = await self.read.ask(request("GET", path, {"authorization": f"Bearer {self.key}"}))
        assert status == 200, body
        waits.seconds.append(time.perf_counter() - began)


async def test_an_event_is_soon_in_the_numbers(ground: Ground) -> None:
    place = await ground.place()
    key = ground.home.own_key()
    found: dict[str, list[Waits]] = {name: [] for name in PATHS}
    async with AsyncExitStack() as stack:
        ports = {
            (service, kind): port_of(await stack.enter_async_context(ground.serving(service, kind, place)))
            for service in ("ingest", *PATHS)
            for kind in ("worker", "api")
        }

        async def once(name: str, label: str, seconds: int) -> Waits:
            events = webhooks(A_SECOND * seconds, label)
            accept = Pool(await connect(ports["ingest", "api"], 64))
            read = Pool(await connect(ports[name, "api"], 64))
            try:
                return await Steady(accept, read, PATHS[name], key).run(events, label)
            finally:
                await accept.close()
                await read.close()

        for name in PATHS:
            await in_thread(partial(once, name, f"warm-{name}", 2))
        for number in range(RUNS):
            for name in list(PATHS)[:: 1 if number % 2 else -1]:
                found[name].append(await in_thread(partial(once, name, f"{name}{number}", SECONDS)))
    show(
        f"{A_SECOND} events a second; one in {EVERY} asked for; sent at most "
        f"{max(max(one.late) for waits in found.values() for one in waits) * 1000:.0f} ms late",
        "| event accepted → number over HTTP | p50 ms (spread) | p99 ms (spread) | bar p50 / p99 | aim p99 | |",
        "| --- | --- | --- | --- | --- | --- |",
        *(_row(name, waits) for name, waits in found.items()),
    )


def _row(name: str, waits: Sequence[Waits]) -> str:
    p50, p99 = [one.at(0.5) for one in waits], [one.at(0.99) for one in waits]
    good = median(p50) <= BAR_P50 and median(p99) <= BAR_P99
    said = verdict(aim=good and median(p99) <= AIM_P99, bar=good)
    bars = f"{BAR_P50 * 1000:.0f} / {BAR_P99 * 1000:.0f}"
    return f"| {name} | {_spread(p50)} | {_spread(p99)} | {bars} | {AIM_P99 * 1000:.0f} | {said} |"


def _spread(seconds: Sequence[float]) -> str:
    return f"{median(seconds) * 1000:.1f} ({min(seconds) * 1000:.1f}–{max(seconds) * 1000:.1f})"
