"""How fast a build is made anew, beside a running one that stands still: events per second of processor time."""

import asyncio
import json
import os
import resource
import sys
import time
from asyncio.subprocess import PIPE, Process

import pytest

from quintant.stack import services
from quintant.stack.home import PROJECT
from shared.contracts.topics import topic_name
from tests.bench.ground import Ground, on_core
from tests.bench.test_consumers import applied
from tests.bench.workload import deal_stream, publish

pytestmark = pytest.mark.bench

REBUILT = int(os.environ.get("BENCH_REBUILT", "4000"))
"""Deals of five events each."""
SECONDS = 1800


async def test_metrics_is_rebuilt(ground: Ground) -> None:
    place = await ground.place()
    topic = topic_name("sales-events", prefix=place.topic_prefix)
    count = await publish(ground.bootstrap, topic, deal_stream(REBUILT))
    async with ground.serving("metrics", "worker", place) as worker:
        await applied("metrics", place.database_url, count, worker)
    env = services.environment(ground.home, place.database_url, ground.bootstrap)
    env |= {"QUINTANT_TOPIC_PREFIX": place.topic_prefix, "QUINTANT_LOG_LEVEL": "warning"}
    spent, began = _spent(), time.monotonic()
    with on_core(ground.service_core):
        process = await asyncio.create_subprocess_exec(
            sys.executable, *ground.profiled("metrics-rebuild", "services.metrics", "rebuild"), "--json",
            cwd=PROJECT, env=env, stdout=PIPE,
        )  # fmt: skip
    async with asyncio.timeout(SECONDS):
        phases = await _phases(process, began)
        assert await process.wait() == 0
    seconds, spent = time.monotonic() - began, _spent() - spent
    sys.stdout.write(
        f"\nrebuild of metrics, {count:,} events: {count / seconds:,.0f}/s, "
        f"{count / spent:,.0f} per second of processor; "
        f"a million in {1_000_000 * seconds / count:,.0f} s (bar 180, aim 60); "
        f"{', '.join(f'{phase} from {at:.1f} s' for phase, at in phases.items())}\n"
    )


async def _phases(process: Process, began: float) -> dict[str, float]:
    """After how many seconds each phase began."""
    phases: dict[str, float] = {}
    assert process.stdout is not None
    async for line in process.stdout:
        phases.setdefault(json.loads(line)["phase"], time.monotonic() - began)
    assert list(phases)[-1] == "switched"
    return phases


def _spent() -> float:
    """Processor seconds of the children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
