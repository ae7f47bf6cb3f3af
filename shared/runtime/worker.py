"""Supervision of a worker's jobs: they run together and end together. A job that ends unasked ends the process."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from shared.kernel.errors import QuintantError
from shared.runtime.shutdown import Shutdown
from shared.telemetry.logging import get_logger

CLOSING_SECONDS = 5.0
"""Kept of the shutdown's deadline for what the composition root closes after the jobs."""

Job = Callable[[], Coroutine[Any, Any, None]]
"""Runs until it is cancelled, then leaves what it has in hand whole: committed or rolled back."""

_log = get_logger("quintant.runtime")


class JobEndedError(QuintantError):
    """A job returned although nobody asked it to."""


async def supervise(jobs: Mapping[str, Job], shutdown: Shutdown, until: Job | None = None) -> None:
    """Run the jobs until the shutdown is requested, `until` has returned or one of them ends; then cancel the others
    and wait for them.

    Raises what the first failed job or `until` raised, or JobEndedError when a job returned unasked.
    """
    tasks = [asyncio.create_task(job(), name=name) for name, job in jobs.items()]
    ends: list[asyncio.Task[Any]] = [asyncio.create_task(shutdown.requested.wait())]
    if until is not None:
        ends.append(asyncio.create_task(until()))
    try:
        await asyncio.wait([*tasks, *ends], return_when=asyncio.FIRST_COMPLETED)
    finally:
        for end in ends:
            end.cancel()
    ended = [task for task in tasks if task.done()]
    if ended:
        shutdown.begin(f"{ended[0].get_name()} ended")
    await _drain(tasks, shutdown)
    for task in (*tasks, *ends):
        _raise_failure(task)
    if ended:
        raise JobEndedError(f"the job {ended[0].get_name()} ended although nobody asked it to")


async def _drain(tasks: list[asyncio.Task[None]], shutdown: Shutdown) -> None:
    for task in tasks:
        task.cancel()
    _, late = await asyncio.wait(tasks, timeout=max(0.0, shutdown.remaining() - CLOSING_SECONDS))
    for task in late:
        _log.warning("job_abandoned", job=task.get_name(), reason="it did not end within the drain time")


def _raise_failure(task: asyncio.Task[Any]) -> None:
    if task.done() and not task.cancelled() and (error := task.exception()) is not None:
        _log.error("job_failed", job=task.get_name(), kind=type(error).__name__)
        raise error
