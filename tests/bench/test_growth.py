"""More workers share the partitions, and ten times the history is behind them: what does an event cost then?

All workers have one core together: that shows what sharing costs, not what more cores bring.
"""

import asyncio
import os
from contextlib import AsyncExitStack
from functools import partial

import asyncpg
import psutil
import pytest

from shared.storage.schema import schemas_of
from tests.bench.ground import Busy, Ground, Place
from tests.bench.rounds import Line, Rate, alternate, judge, show, spread
from tests.bench.test_consumers import applied, topic_of
from tests.bench.workload import STEPS, deal_stream, publish

pytestmark = pytest.mark.bench

DEALS = int(os.environ.get("BENCH_GROWTH_DEALS", "3000"))
COHORTS = 10
SERVICES = ("metrics", "pipeline")


@pytest.mark.parametrize("service", SERVICES)
async def test_workers_share_the_partitions(ground: Ground, service: str) -> None:
    """From the first event that is told, so that what one of them does before another begins counts too."""

    async def sharing(count: int, _round: int) -> Rate:
        place = await ground.place()
        async with AsyncExitStack() as stack:
            workers = [
                await stack.enter_async_context(
                    ground.serving(service, "worker", place, QUINTANT_INSTANCE=f"{service}-{number}")
                )
                for number in range(count)
            ]
            busy = Busy(*(worker.process for worker in workers))
            told = asyncio.create_task(publish(ground.bootstrap, topic_of(place), deal_stream(DEALS)))
            await applied(service, place.database_url, DEALS * STEPS, *workers)
            await told
            return busy.rate(DEALS * STEPS)

    rates = await alternate({str(count): partial(sharing, count) for count in (1, 2, 4)}, warm_up=False)
    judge(
        *(
            Line(f"{service}, {count} workers beside one", rates[count], rates["1"], 0.9, 1.0, holds=False)
            for count in ("2", "4")
        )
    )


@pytest.mark.parametrize("service", SERVICES)
async def test_ten_times_the_history(ground: Ground, service: str) -> None:
    """Each cohort is as many new deals; only what is stored already differs."""
    place = await ground.place()
    rates: list[Rate] = []
    memory: list[float] = []
    async with ground.serving(service, "worker", place) as worker:
        process = psutil.Process(worker.process.pid)
        for cohort in range(COHORTS):
            told = asyncio.create_task(publish(ground.bootstrap, topic_of(place), deal_stream(DEALS, cohort)))
            before, events = cohort * DEALS * STEPS, (cohort + 1) * DEALS * STEPS
            rates.append(await applied(service, place.database_url, events, worker, after=before))
            await told
            memory.append(process.memory_info().rss / 1e6)
    judge(Line(f"{service}, ten times the history", rates[-3:], rates[:3], 0.9, 1.0, holds=False))
    stored = await _stored(service, place) / (COHORTS * DEALS * STEPS)
    show(
        f"{service}: {memory[0]:.0f} MB after a tenth, {memory[-1]:.0f} MB after all, by tenths {spread(memory)}; "
        f"{stored:,.0f} bytes in PostgreSQL for each event"
    )


async def _stored(service: str, place: Place) -> int:
    """Bytes of the service's tables and indexes."""
    connection = await asyncpg.connect(place.database_url, timeout=10)
    try:
        size: int = await connection.fetchval(
            """SELECT sum(pg_total_relation_size(c.oid))::bigint FROM pg_class c
               JOIN pg_namespace n ON n.oid = relnamespace
               WHERE relkind = 'r' AND nspname = ANY($1)""",
            list(schemas_of(service, 1)),
        )
        return size
    finally:
        await connection.close(timeout=10)
