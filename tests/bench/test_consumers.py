"""The folding services beside a consumer that does nothing with the same records, and beside Kafka Streams."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType

import asyncpg
import pytest

from quintant.stack.home import Part
from shared.contracts.records import StreamRecord
from shared.contracts.topics import topic_name
from shared.storage.schema import schemas_of
from tests.bench.ground import PARTITIONS, Busy, Ground, Place
from tests.bench.peer import Peer, summed
from tests.bench.rounds import Contestant, Line, Rate, alternate, judge
from tests.bench.workload import deal_stream, order_stream, publish

pytestmark = pytest.mark.bench

DEALS = int(os.environ.get("BENCH_DEALS", "12000"))
ORDERS = int(os.environ.get("BENCH_ORDERS", "30000"))
SECONDS = 600

Stream = Callable[[], Iterator[tuple[int, StreamRecord]]]
Other = Callable[[Place, int], Awaitable[Rate]]
"""Reads the topic of a place, on which are so many events."""
_NO_OTHERS: Mapping[str, Other] = MappingProxyType({})


async def test_metrics_and_pipeline_apply_deals(ground: Ground, tmp_path: Path) -> None:
    peer = await asyncio.to_thread(Peer.build, tmp_path)
    expected = summed(deal_stream(DEALS))

    async def streams(place: Place, _count: int) -> Rate:
        return await peer.rate(ground, place, topic_of(place), expected)

    rates = await _rates(ground, lambda: deal_stream(DEALS), ("metrics", "pipeline"), {"peer": streams})
    told = f"{DEALS:,} deals of 5 events"
    judge(
        Line(f"metrics, {told}", rates["metrics"], rates["bare"], 0.035, 0.09, holds=False),
        Line(f"pipeline, {told}", rates["pipeline"], rates["bare"], 0.035, 0.09, holds=False),
        Line(f"metrics beside Kafka Streams, {told}", rates["metrics"], rates["peer"], 0.4, 1.0, holds=False),
    )


async def test_metrics_applies_orders(ground: Ground) -> None:
    rates = await _rates(ground, lambda: order_stream(ORDERS), ("metrics",))
    judge(Line(f"metrics, {ORDERS:,} orders of 3 lines", rates["metrics"], rates["bare"], 0.04, 0.10, holds=False))


async def _rates(
    ground: Ground, stream: Stream, names: tuple[str, ...], others: Mapping[str, Other] = _NO_OTHERS
) -> dict[str, list[Rate]]:
    """Each round has a topic of its own: what was committed in one must not help another."""
    rounds: dict[int, tuple[Place, int]] = {}

    async def published(number: int) -> tuple[Place, int]:
        if number not in rounds:
            place = await ground.place()
            rounds[number] = place, await publish(ground.bootstrap, topic_of(place), stream())
        return rounds[number]

    async def bare(number: int) -> Rate:
        place, count = await published(number)
        return await ground.baseline(count, "consume", ground.bootstrap, topic_of(place), str(PARTITIONS), str(count))

    async def service(name: str, number: int) -> Rate:
        place, count = await published(number)
        async with ground.serving(name, "worker", place) as worker:
            return await applied(name, place.database_url, count, worker)

    async def another(name: str, number: int) -> Rate:
        return await others[name](*await published(number))

    contestants: dict[str, Contestant] = {name: partial(service, name) for name in names}
    contestants |= {name: partial(another, name) for name in others}
    return await alternate({**contestants, "bare": bare}, warm_up=False)


async def applied(name: str, database_url: str, expected: int, *workers: Part, after: int = 0) -> Rate:
    """Of the workers, from the first events that are applied to the last; `after` were applied before.

    What they had to say of them is sent, too: a backlog in the outbox would be work put off.
    """
    connection = await asyncpg.connect(database_url, timeout=10)
    schema = schemas_of(name, 1)[0]
    question = f"SELECT coalesce(sum(number), 0)::bigint FROM {schema}.position"  # noqa: S608
    untold = f"SELECT EXISTS (SELECT FROM {schema}.outbox)"  # noqa: S608
    found = [worker.process for worker in workers]
    first, busy = 0, Busy(*found)
    try:
        async with asyncio.timeout(SECONDS):
            while (number := await connection.fetchval(question)) < expected:
                if number > after and not first:
                    first, busy = number, Busy(*found)
                await asyncio.sleep(0.02)  # a position tells nobody that it has moved
            while await connection.fetchval(untold):  # noqa: ASYNC110 - nor does an outbox that it is empty
                await asyncio.sleep(0.02)
        assert first, "all of it was applied at once: tell more"
        return busy.rate(number - first)
    finally:
        await connection.close(timeout=10)


def topic_of(place: Place) -> str:
    return topic_name("sales-events", prefix=place.topic_prefix)
