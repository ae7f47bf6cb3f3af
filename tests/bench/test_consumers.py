"""The folding services beside a consumer that fetches the same records and does nothing with them."""

import asyncio
import os
from collections.abc import Callable, Iterator
from functools import partial

import asyncpg
import pytest

from quintant.stack.home import Part
from shared.contracts.records import StreamRecord
from shared.contracts.topics import topic_name
from shared.storage.schema import schemas_of
from tests.bench.ground import PARTITIONS, Busy, Ground, Place
from tests.bench.rounds import Line, Rate, alternate, judge
from tests.bench.workload import deal_stream, order_stream, publish

pytestmark = pytest.mark.bench

DEALS = int(os.environ.get("BENCH_DEALS", "20000"))
ORDERS = int(os.environ.get("BENCH_ORDERS", "30000"))
SECONDS = 600

Stream = Callable[[], Iterator[tuple[int, StreamRecord]]]


async def test_metrics_and_pipeline_apply_deals(ground: Ground) -> None:
    rates = await _rates(ground, lambda: deal_stream(DEALS), ("metrics", "pipeline"))
    judge(
        Line(f"metrics, {DEALS:,} deals of 5 events", rates["metrics"], rates["bare"], 0.035, 0.09, holds=False),
        Line(f"pipeline, {DEALS:,} deals of 5 events", rates["pipeline"], rates["bare"], 0.035, 0.09, holds=False),
    )


async def test_metrics_applies_orders(ground: Ground) -> None:
    rates = await _rates(ground, lambda: order_stream(ORDERS), ("metrics",))
    judge(Line(f"metrics, {ORDERS:,} orders of 3 lines", rates["metrics"], rates["bare"], 0.04, 0.10, holds=False))


async def _rates(ground: Ground, stream: Stream, names: tuple[str, ...]) -> dict[str, list[Rate]]:
    """Each round has a topic of its own: what was committed in one must not help another."""
    rounds: dict[int, tuple[Place, int]] = {}

    async def published(number: int) -> tuple[Place, int]:
        if number not in rounds:
            place = await ground.place()
            rounds[number] = place, await publish(ground.bootstrap, _topic(place), stream())
        return rounds[number]

    async def bare(number: int) -> Rate:
        place, count = await published(number)
        return await ground.baseline(count, "consume", ground.bootstrap, _topic(place), str(PARTITIONS), str(count))

    async def service(name: str, number: int) -> Rate:
        place, count = await published(number)
        async with ground.serving(name, "worker", place) as worker:
            return await applied(name, place.database_url, count, worker)

    return await alternate({**{name: partial(service, name) for name in names}, "bare": bare}, warm_up=False)


async def applied(name: str, database_url: str, expected: int, worker: Part) -> Rate:
    """Of the worker, from the first events that are applied to the last."""
    connection = await asyncpg.connect(database_url, timeout=10)
    question = f"SELECT coalesce(sum(number), 0)::bigint FROM {schemas_of(name, 1)[0]}.position"  # noqa: S608
    first, busy = 0, Busy(worker.process)
    try:
        async with asyncio.timeout(SECONDS):
            while (number := await connection.fetchval(question)) < expected:
                if number and not first:
                    first, busy = number, Busy(worker.process)
                await asyncio.sleep(0.02)  # a position tells nobody that it has moved
        assert first, "all of it was applied at once: tell more"
        return busy.rate(number - first)
    finally:
        await connection.close(timeout=10)


def _topic(place: Place) -> str:
    return topic_name("sales-events", prefix=place.topic_prefix)
