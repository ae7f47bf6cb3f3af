"""Watches a company while it is under fault: health of every process, stored positions, and what they hold.

`/livez` never fails; `/readyz` fails within 5 s of a lost dependency and holds again within 15 s of its return; a
stored position never goes back.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import asyncpg
import httpx
import psutil

from quintant.stack.processes import is_alive
from tests.fault.company import EVERYBODY, Company

EVERY = 0.5
_CUT_OFF = asyncpg.InternalClientError
"""What asyncpg also says when the server is killed in the middle of an answer."""
LOST_WITHIN = 5.0
BACK_WITHIN = 15.0
ALIVE_WITHIN = 5.0
"""Seconds within which `/livez` answers, also on a machine that is busy with the fault."""


@dataclass(slots=True)
class Outage:
    """A dependency was gone for these processes."""

    what: str
    names: frozenset[str]
    lost: float
    back: float = 0.0


@dataclass(slots=True)
class Held:
    """What a process holds."""

    memory: int
    files: int
    threads: int
    tasks: int


@dataclass(slots=True)
class Watch:
    """What was seen. Made by `watching`."""

    company: Company
    samples: dict[str, list[tuple[float, bool, str]]] = field(default_factory=dict)
    """By process: when, ready or not, why not."""
    dead: list[str] = field(default_factory=list)
    backwards: list[str] = field(default_factory=list)
    outages: list[Outage] = field(default_factory=list)
    excused: set[str] = field(default_factory=set)
    """Processes that the fault itself keeps from answering."""
    _positions: dict[tuple[str, int], tuple[int, int, int]] = field(default_factory=dict)

    @asynccontextmanager
    async def outage(self, what: str, names: Iterable[str]) -> AsyncIterator[Outage]:
        """These processes lack a dependency while the block runs."""
        began = Outage(what, frozenset(names), now())
        self.outages.append(began)
        try:
            yield began
        finally:
            began.back = now()

    def all_ready(self, since: float) -> bool:
        """Every process that is meant to run was asked since then, and ready when last asked."""
        running = [name for name in self.company.running.parts if self.company.running.running(name)]
        last = [self.samples[name][-1] if self.samples.get(name) else (0.0, False, "") for name in running]
        return all(ready and at >= since for at, ready, _ in last)

    def slowest(self) -> tuple[float, float]:
        """The longest time to become not ready after a loss, and ready again after a return, of any process."""
        lost, back = [0.0], [0.0]
        for outage in self.outages:
            for name in outage.names:
                lost += [] if (seconds := self._not_ready_after(name, outage)) is None else [seconds]
                back += [] if (seconds := self._ready_after(name, outage.back)) is None else [seconds]
        return max(lost), max(back)

    def trouble(self) -> list[str]:
        """Every promise that was broken."""
        found = [*self.dead, *self.backwards]
        for outage in self.outages:
            for name in sorted(outage.names):
                found += self._of(name, outage)
        return found

    def _of(self, name: str, outage: Outage) -> list[str]:
        found = []
        lost, back = self._not_ready_after(name, outage), self._ready_after(name, outage.back)
        if outage.back - outage.lost > LOST_WITHIN + EVERY and (lost is None or lost > LOST_WITHIN):
            found.append(f"{name} is not told as not ready within {LOST_WITHIN:g} s of losing {outage.what} ({lost})")
        if back is None or back > BACK_WITHIN:
            last = self.samples[name][-1] if self.samples.get(name) else ""
            found.append(f"{name} is not ready {BACK_WITHIN:g} s after the return of {outage.what} ({back}, {last})")
        return found

    def _not_ready_after(self, name: str, outage: Outage) -> float | None:
        of_outage = (
            at for at, ready, _ in self.samples.get(name, ()) if outage.lost <= at <= outage.back and not ready
        )
        return next((at - outage.lost for at in of_outage), None)

    def _ready_after(self, name: str, back: float) -> float | None:
        """When it became ready and stayed so."""
        since = None
        for at, ready, _ in self.samples.get(name, ()):
            if at >= back:
                since = (at if since is None else since) if ready else None
        return None if since is None else since - back

    async def run(self) -> None:
        """Watch until cancelled."""
        async with httpx.AsyncClient(timeout=ALIVE_WITHIN, trust_env=False) as http:
            await asyncio.gather(self._watch_positions(), *(self._watch(http, name) for name in EVERYBODY))

    async def _watch(self, http: httpx.AsyncClient, name: str) -> None:
        running = self.company.running
        listening = None
        while True:
            part = running.parts.get(name)
            if part is not None and running.running(name) and not self._is_excused(name):
                asked = now()
                ready, why = await self._ask(http, f"{part.address}/readyz")
                self.samples.setdefault(name, []).append((asked if ready else now(), ready, why))
                alive, why = await self._ask(http, f"{part.address}/livez")
                if alive:
                    listening = part.process
                elif listening == part.process and is_alive(part.process) and not self._is_excused(name):
                    self.dead.append(f"{name} does not answer /livez: {why}")
            await asyncio.sleep(EVERY)

    def _is_excused(self, name: str) -> bool:
        return name in self.excused or name in self.company.leaving

    @staticmethod
    async def _ask(http: httpx.AsyncClient, url: str) -> tuple[bool, str]:
        try:
            answer = await http.get(url)
        except httpx.HTTPError as error:
            return False, type(error).__name__
        return answer.status_code == 200, "" if answer.status_code == 200 else answer.text[:300]

    async def _watch_positions(self) -> None:
        while True:
            with suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, _CUT_OFF):
                async with self.company.database() as connection:
                    while True:
                        for schema in (await self.company.schemas(connection)).values():
                            sql = f"SELECT partition, epoch, number, turn FROM {schema}.position"  # noqa: S608
                            self._note(schema, await connection.fetch(sql, timeout=5))
                        await asyncio.sleep(EVERY)
            await asyncio.sleep(EVERY)

    def _note(self, schema: str, rows: Iterable[asyncpg.Record]) -> None:
        for row in rows:
            key, at = (schema, row["partition"]), (row["epoch"], row["number"], row["turn"])
            before = self._positions.get(key, at)
            if at < before:
                self.backwards.append(f"{key[0]} partition {key[1]} went back from {before} to {at}")
            self._positions[key] = at


@asynccontextmanager
async def watching(company: Company) -> AsyncIterator[Watch]:
    """Watch while the block runs."""
    watch = Watch(company)
    task = asyncio.create_task(watch.run())
    try:
        yield watch
        if task.done():
            task.result()
    finally:
        task.cancel()
        await asyncio.wait([task])


async def held(company: Company) -> dict[str, Held]:
    """What each process holds now."""
    found = {}
    for name, part in company.running.parts.items():
        tasks = await company.inside(name)
        with suppress(psutil.Error):
            process = psutil.Process(part.process.pid)
            if tasks is not None:
                found[name] = Held(process.memory_info().rss, process.num_fds(), process.num_threads(), tasks)
    return found


def now() -> float:
    """The loop's clock, by which samples are taken."""
    return asyncio.get_running_loop().time()
