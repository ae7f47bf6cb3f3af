"""Calls to a broker that never answer, fail, or are cancelled by the client itself."""

import asyncio

import pytest
from aiokafka.errors import IllegalStateError, KafkaConnectionError

from shared.kernel.errors import UnavailableError
from shared.messaging.deadlines import Backoff, within


async def never() -> None:
    await asyncio.Event().wait()


async def cancels_itself() -> None:
    """As aiokafka does: it cancels a task of its own, waits for it, and lets the error of that escape."""
    task = asyncio.create_task(never())
    await asyncio.sleep(0)
    task.cancel()
    await task


async def fails(error: Exception) -> None:
    raise error


async def test_a_call_has_a_deadline() -> None:
    with pytest.raises(UnavailableError, match=r"within 0\.01 s while asking"):
        await within(0.01, never(), "asking")


@pytest.mark.parametrize("error", [KafkaConnectionError("gone"), IllegalStateError("not ours"), ConnectionResetError()])
async def test_a_call_that_fails_may_succeed_later(error: Exception) -> None:
    with pytest.raises(UnavailableError, match=f"asking: {type(error).__name__}"):
        await within(1, fails(error), "asking")


async def test_a_client_that_cancels_itself_does_not_cancel_us() -> None:
    with pytest.raises(UnavailableError, match="gave up while asking"):
        await within(1, cancels_itself(), "asking")


async def test_when_we_are_cancelled_we_are() -> None:
    task = asyncio.create_task(within(10, never(), "asking"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_mistake_of_ours_stays_one() -> None:
    with pytest.raises(ZeroDivisionError):
        await within(1, fails(ZeroDivisionError()), "asking")


async def test_pauses_grow_up_to_the_longest() -> None:
    backoff = Backoff(longest=0.15)
    assert await taken(backoff) >= 0.1
    assert await taken(backoff) >= 0.15


async def taken(backoff: Backoff) -> float:
    clock = asyncio.get_running_loop().time
    began = clock()
    await backoff.pause()
    return clock() - began + 0.001  # the timer may be that much early
