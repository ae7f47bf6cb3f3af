"""Processes killed, frozen, started and stopped while a story is told."""

import asyncio
import signal

import pytest

from shared.messaging.failpoints import NAMES
from tests.fault.company import EVERYBODY, FOLDING, RELAY
from tests.fault.fire import Ground, under_fire

pytestmark = pytest.mark.fault
GROUP = "Processes"

SESSION = 15.0
"""Seconds after which a silent member of a consumer group loses its partitions."""
MANY = 1300
"""Deals of one product: more than one turn of a refold in each partition."""


def worker_of(point: str) -> str:
    """Which worker passes a failpoint."""
    if point.startswith("relay."):
        return RELAY
    return "pipeline-worker" if point.startswith("outbox.") else "metrics-worker"


@pytest.mark.parametrize("name", EVERYBODY)
async def test_killed_at_random(ground: Ground, name: str) -> None:
    async with under_fire(ground, f"{name} killed at random", seconds=4) as this:
        for _ in range(2):
            await this.passes(0.1, 1.0)
            await this.company.kill(name)
            this.injected()
            await this.company.start(name)


@pytest.mark.parametrize("point", [name for name in NAMES if not name.startswith("refold.")])
async def test_killed_at_a_named_point(ground: Ground, point: str) -> None:
    async with under_fire(ground, f"killed at `{point}`", seconds=3) as this:
        name = worker_of(point)
        await this.company.stop(name)
        await this.company.launch(name, QUINTANT_FAILPOINT=f"{point}:{this.draw.randrange(1, 3)}")
        await this.tell_until(this.company.ended(name))
        this.injected()
        await this.company.start(name)


async def test_everything_killed_at_once(ground: Ground) -> None:
    async with under_fire(ground, "everything killed at once", seconds=4) as this:
        await this.passes(0.5, 1.5)
        await this.company.kill(*EVERYBODY)
        this.injected(len(EVERYBODY))
        await this.company.start()


async def test_told_to_end(ground: Ground) -> None:
    async with under_fire(ground, "everything told to end (SIGTERM) and started", seconds=4) as this:
        await this.passes(0.5, 1.5)
        assert await this.company.stop(*EVERYBODY), "a process had to be killed"
        this.injected(len(EVERYBODY))
        await this.company.start()


async def test_frozen_until_another_has_its_partitions(ground: Ground) -> None:
    async with under_fire(ground, "frozen until it lost its partitions, then thawed", seconds=SESSION + 5) as this:
        running = this.company.running
        names = [f"{name}-1" for name in FOLDING]
        await this.company.start(*names)
        this.watch.excused |= set(FOLDING)
        running.freeze(*FOLDING)
        this.injected(len(FOLDING))
        await this.passes(SESSION + 3, SESSION + 5)
        running.thaw(*FOLDING)
        this.watch.excused -= set(FOLDING)
        await this.passes(1, 2)
        await this.company.stop(*names)


async def test_frozen_while_another_takes_its_name(ground: Ground) -> None:
    """Static membership: the partitions go over at once; the frozen one wakes up and still believes in them."""
    async with under_fire(ground, "frozen, replaced under its own name, thawed", seconds=8) as this:
        running = this.company.running
        this.watch.excused |= set(FOLDING)
        running.freeze(*FOLDING)
        this.injected(len(FOLDING))
        names = {f"{name}-9": name.replace("worker", "0") for name in FOLDING}
        for name, instance in names.items():
            await this.company.launch(name, QUINTANT_INSTANCE=instance)
        await asyncio.to_thread(running.wait_until_ready, *names)
        await this.passes(1, 3)
        running.thaw(*FOLDING)
        await this.passes(1, 2)
        await this.company.kill(*FOLDING)
        await this.company.stop(*names)
        await this.company.start(*FOLDING)
        this.watch.excused -= set(FOLDING)


async def test_workers_join_and_leave(ground: Ground) -> None:
    async with under_fire(ground, "workers joining and leaving every two seconds", seconds=14) as this:
        for turn in range(6):
            names = [f"{name}-{1 + turn % 2}" for name in FOLDING]
            await this.company.launch(*names)
            await asyncio.sleep(2)
            running = this.company.running
            if this.draw.random() < 0.5:
                await this.company.kill(*names)
            else:
                await asyncio.to_thread(running.stop, *names)
            this.injected(2 * len(names))


async def test_a_relay_beside_the_relay(ground: Ground) -> None:
    """Two relays: one leads; it is frozen while it leads, the other takes over if it can, and it wakes up."""
    async with under_fire(ground, "two relays, the leading one frozen and thawed, then killed", seconds=12) as this:
        second = f"{RELAY}-1"
        await this.company.start(second)
        for name in (RELAY, second):
            this.watch.excused.add(name)
            this.company.running.freeze(name)
            await this.passes(2, 4)
            this.company.running.thaw(name)
            this.watch.excused.discard(name)
            await this.passes(0.5, 1)
            await this.company.kill(name)
            this.injected(2)
            await this.company.start(name)
        await this.company.stop(second)


async def test_killed_in_the_middle_of_a_refold(ground: Ground) -> None:
    async with under_fire(ground, "killed at `refold.turn_committed`", seconds=6) as this:
        await this.tell_refold(MANY)
        for name in ("metrics-worker", "pipeline-worker"):
            await this.company.stop(name)
            await this.company.launch(name, QUINTANT_FAILPOINT="refold.turn_committed:2")
        await this.change_price()
        for name in ("metrics-worker", "pipeline-worker"):
            await this.company.ended(name)
            this.injected()
            await this.company.start(name)


async def test_a_worker_ends_while_its_servers_are_frozen(ground: Ground) -> None:
    """A shutdown has an end, whatever does not answer."""
    async with under_fire(ground, "told to end while PostgreSQL and Kafka are frozen", seconds=4) as this:
        company = this.company
        assert company.postgres is not None
        names = ("metrics-worker", RELAY)
        this.watch.excused |= set(EVERYBODY)
        for server in (company.postgres, *company.brokers):
            server.freeze()
        this.injected(2)
        for name in names:
            company.running.signal(signal.SIGTERM, name)
        for name in names:
            await company.ended(name, 40)
        for server in (company.postgres, *company.brokers):
            server.thaw()
        await company.start(*names)
        this.watch.excused -= set(EVERYBODY)
