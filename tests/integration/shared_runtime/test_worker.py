"""Supervision within one process."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from shared.kernel.clock import SystemClock
from shared.runtime.shutdown import Shutdown
from shared.runtime.worker import JobEndedError, supervise


@pytest.fixture
async def shutdown() -> AsyncIterator[Shutdown]:
    made = Shutdown(SystemClock())
    yield made
    made.done()


async def test_jobs_leave_what_they_have_in_hand_whole(shutdown: Shutdown) -> None:
    whole: list[str] = []
    begun = asyncio.Event()

    async def job() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            whole.append("committed")

    running = asyncio.create_task(supervise({"a": job, "b": job}, shutdown))
    await begun.wait()
    shutdown.begin("test")
    await running
    assert whole == ["committed", "committed"]
    assert shutdown.remaining() < 25


async def test_the_first_failure_is_raised_and_the_others_end(shutdown: Shutdown) -> None:
    others: list[str] = []

    async def fails() -> None:
        raise ZeroDivisionError

    async def other() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            others.append("ended")

    with pytest.raises(ZeroDivisionError):
        await supervise({"fails": fails, "other": other}, shutdown)
    assert shutdown.requested.is_set()
    assert others == ["ended"]


async def test_a_job_that_returns_has_failed(shutdown: Shutdown) -> None:
    async def returns() -> None: ...

    with pytest.raises(JobEndedError, match="returns"):
        await supervise({"returns": returns}, shutdown)


async def test_a_job_that_will_not_end_is_abandoned() -> None:
    shutdown = Shutdown(SystemClock(), drain_seconds=5.1)
    released = asyncio.Event()

    async def stubborn() -> None:
        while not released.is_set():
            try:
                await released.wait()
            except asyncio.CancelledError:
                continue

    running = asyncio.create_task(supervise({"stubborn": stubborn}, shutdown))
    shutdown.begin("test")
    await running
    shutdown.done()
    released.set()
