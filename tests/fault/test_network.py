"""What networks do to the connections of all processes, towards Kafka and towards PostgreSQL."""

import asyncio

import pytest

from tests.fault.company import EVERYBODY, WORKERS
from tests.fault.fire import Ground, under_fire
from tests.fault.proxy import DOWN, UP, Proxy

pytestmark = pytest.mark.fault
GROUP = "Network"

LASTS = 8.0
CUTS: dict[str, tuple[str | float, ...]] = {
    "dropped towards the server": ("drop", UP),
    "dropped towards the client": ("drop", DOWN),
    "dropped both ways": ("drop",),
    "refused": ("refuse",),
}
"""Nothing works while they last."""
PAINS: dict[str, tuple[str | float, ...]] = {
    "half-open": ("half_open",),
    "reset": ("reset",),
    "delayed by 0.3 s": ("slow", 0.15),
    "throttled to 64 KB/s": ("slow", 0.0, 64_000),
}


def way_to(ground: Ground, target: str) -> Proxy:
    """The proxy towards a server."""
    proxy = ground.company.to_kafka if target == "Kafka" else ground.company.to_postgres
    assert proxy is not None
    return proxy


@pytest.mark.parametrize("target", ["Kafka", "PostgreSQL"])
@pytest.mark.parametrize("cut", CUTS)
async def test_nothing_passes(ground: Ground, cut: str, target: str) -> None:
    async with under_fire(ground, f"{target}: {cut}", seconds=LASTS + 2) as this:
        await this.passes(0.2, 1)
        proxy = way_to(ground, target)
        async with this.watch.outage(target, WORKERS if target == "Kafka" else EVERYBODY):
            proxy.tell(*CUTS[cut])
            this.injected()
            await asyncio.sleep(LASTS)
            proxy.tell("heal")


@pytest.mark.parametrize("target", ["Kafka", "PostgreSQL"])
@pytest.mark.parametrize("pain", PAINS)
async def test_it_hurts(ground: Ground, pain: str, target: str) -> None:
    async with under_fire(ground, f"{target}: {pain}", seconds=LASTS) as this:
        proxy = way_to(ground, target)
        for _ in range(3):
            await this.passes(0.5, 1.5)
            this.injected()
            proxy.tell(*PAINS[pain])
            await this.passes(1, 2)
        proxy.tell("heal")


async def test_the_network_flaps(ground: Ground) -> None:
    async with under_fire(ground, "both: dropped and healed every half second", seconds=10) as this:
        proxies = [way_to(ground, target) for target in ("Kafka", "PostgreSQL")]
        for _ in range(10):
            for proxy in proxies:
                proxy.tell(*this.draw.choice([*CUTS.values(), *PAINS.values()]))
                this.injected()
            await this.passes(0.2, 0.6)
            for proxy in proxies:
                proxy.tell("heal")
            await this.passes(0.2, 0.6)


async def test_the_relays_batch_arrives_after_all(ground: Ground) -> None:
    """Its producer times out; what it had sent is held up in the network and is written later, after the repetition."""
    async with under_fire(ground, "relay's producer times out, its late batch arrives", seconds=26) as this:
        proxy = way_to(ground, "Kafka")
        await this.passes(0.5, 1)
        proxy.tell("hold")
        this.injected()
        await asyncio.sleep(24)
        proxy.tell("heal")
