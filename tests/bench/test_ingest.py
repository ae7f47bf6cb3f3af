"""Durable ingest beside a handler that answers 202 and does nothing, under the same server."""

import os

import asyncpg
import pytest

from tests.bench.ground import Busy, Ground, port_of
from tests.bench.load import Load, drive
from tests.bench.rounds import Line, Rate, alternate, judge, show
from tests.bench.workload import batches, webhooks

pytestmark = pytest.mark.bench

CONNECTIONS = int(os.environ.get("BENCH_CONNECTIONS", "48"))
NAMES = ("empty", "single", "batch")
SINGLES, EMPTY_ROUNDS, BATCHES, SIZE = 6_000, 5, 120, 100


async def test_ingest_keeps_its_distance_to_a_handler_that_does_nothing(ground: Ground) -> None:
    place = await ground.place()
    generator: dict[str, list[float]] = {name: [] for name in NAMES}
    server: dict[str, list[float]] = {name: [] for name in NAMES}
    accepted = 0

    def note(name: str, load: Load, busy: Busy, each: int = 1) -> Rate:
        assert set(load.statuses) == {202}, load.statuses
        generator[name].append(load.busy)
        server[name].append(busy.spent() / load.seconds)
        count = each * load.statuses.total()
        return Rate(count / load.seconds, count / busy.spent())

    async with ground.serving("ingest", "api", place) as api, ground.shell() as shell:

        async def empty(number: int) -> Rate:
            requests = webhooks(SINGLES, f"empty{number}") * EMPTY_ROUNDS
            busy = Busy(shell.process)
            return note("empty", await drive(port_of(shell), requests, CONNECTIONS), busy)

        async def single(number: int) -> Rate:
            nonlocal accepted
            requests = webhooks(SINGLES, f"single{number}")
            busy = Busy(api.process)
            accepted += len(requests)
            return note("single", await drive(port_of(api), requests, CONNECTIONS), busy)

        async def batch(number: int) -> Rate:
            nonlocal accepted
            requests = batches(BATCHES, SIZE, f"batch{number}", ground.home.own_key())
            busy = Busy(api.process)
            accepted += BATCHES * SIZE
            return note("batch", await drive(port_of(api), requests, CONNECTIONS), busy, SIZE)

        rates = await alternate(dict(zip(NAMES, (empty, single, batch), strict=True)), warm_up=True)
    assert await _in_inbox(place.database_url) == accepted
    busiest = ", ".join(f"{name} {max(generator[name]):.0%} / {min(server[name]):.0%}" for name in NAMES)
    show(f"{CONNECTIONS} connections; of its core the load generator used at most / the server at least: {busiest}")
    judge(
        Line("durable ingest, signed single webhook", rates["single"], rates["empty"], 0.35, 0.60, holds=False),
        Line("durable ingest, 100-event batch (events)", rates["batch"], rates["single"], 5, 10, holds=False),
    )


async def _in_inbox(database_url: str) -> int:
    connection = await asyncpg.connect(database_url, timeout=10)
    try:
        counted: int = await connection.fetchval("SELECT count(*) FROM ingest.stream")
    finally:
        await connection.close(timeout=10)
    return counted
