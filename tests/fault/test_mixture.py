"""Whatever can happen, one after another as chance has it: the round that `make test` runs too."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.fault.company import EVERYBODY, FOLDING
from tests.fault.fire import Ground, Round, under_fire
from tests.fault.test_stream import POISON, inject

pytestmark = [pytest.mark.fault, pytest.mark.brief]
GROUP = "Mixture"
FAULTS = 6


async def kill_one(this: Round) -> None:
    name = this.draw.choice(EVERYBODY)
    await this.company.kill(name)
    await this.company.start(name)


async def freeze_one(this: Round) -> None:
    name = this.draw.choice(FOLDING)
    this.watch.excused.add(name)
    this.company.running.freeze(name)
    await this.passes(1, 3)
    this.company.running.thaw(name)
    this.watch.excused.discard(name)


async def kill_the_broker(this: Round) -> None:
    server = this.company.brokers[0]
    await asyncio.to_thread(server.kill)
    await asyncio.to_thread(server.start)


async def kill_the_database(this: Round) -> None:
    await asyncio.to_thread(this.database_server.kill)
    await asyncio.to_thread(this.database_server.start)


async def reset_everything(this: Round) -> None:
    for proxy in (this.company.to_kafka, this.company.to_postgres):
        assert proxy is not None
        proxy.tell("reset")


async def drop_everything(this: Round) -> None:
    for proxy in (this.company.to_kafka, this.company.to_postgres):
        assert proxy is not None
        proxy.tell("drop")
        await this.passes(1, 2)
        proxy.tell("heal")


async def poison(this: Round) -> None:
    await inject(this, this.draw.sample(list(POISON), 2))


KINDS: tuple[Callable[[Round], Awaitable[None]], ...] = (
    kill_one, freeze_one, kill_the_broker, kill_the_database, reset_everything, drop_everything, poison,
)  # fmt: skip


async def test_a_mixture(ground: Ground) -> None:
    async with under_fire(ground, "six faults of chance, one after another", seconds=10) as this:
        for fault in this.draw.sample(KINDS, FAULTS):
            await this.passes(0.2, 1)
            await fault(this)
            this.injected()
