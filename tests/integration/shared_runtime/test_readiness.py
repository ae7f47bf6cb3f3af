"""Readiness: deadlines, one round for many callers, and reasons without secrets."""

import asyncio
from datetime import UTC, datetime

from shared.http.health import Readiness
from shared.kernel.errors import UnavailableError


class HandClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.seconds, UTC)

    def monotonic(self) -> float:
        return self.seconds


async def test_each_check_has_its_own_deadline_and_reason() -> None:
    async def well() -> None: ...

    async def hangs() -> None:
        await asyncio.Event().wait()

    async def gone() -> None:
        raise UnavailableError("Kafka does not answer.")

    async def odd() -> None:
        raise OSError("postgresql://u:hunter2@h/d")

    checks = {"well": well, "hangs": hangs, "gone": gone, "odd": odd}
    report = await Readiness(checks, clock=HandClock(), deadline_seconds=0.05).report()
    assert not report.ready
    assert report.reasons == {
        "hangs": "no answer within 0.05 s",
        "gone": "Kafka does not answer.",
        "odd": "failed (OSError)",
    }


async def test_callers_share_a_round_that_is_kept_a_second() -> None:
    rounds = 0

    async def check() -> None:
        nonlocal rounds
        rounds += 1

    clock = HandClock()
    ready = Readiness({"one": check}, clock=clock)
    assert all(report.ready for report in await asyncio.gather(*(ready.report() for _ in range(9))))
    assert rounds == 1
    clock.seconds = 1.5
    await ready.report()
    assert rounds == 2


async def test_a_draining_process_is_not_ready() -> None:
    ready = Readiness({}, clock=HandClock())
    assert (await ready.report()).ready
    ready.drain()
    assert not (await ready.report()).ready


async def test_a_check_that_cannot_be_given_up_delays_no_answer_and_is_not_begun_again() -> None:
    begun, undone = 0, asyncio.Event()

    async def clings() -> None:
        nonlocal begun
        begun += 1
        try:
            await asyncio.Event().wait()
        finally:
            await undone.wait()

    clock = HandClock()
    ready = Readiness({"one": clings}, clock=clock, deadline_seconds=0.02)
    for second in range(0, 10, 2):
        clock.seconds = second
        async with asyncio.timeout(5):
            assert (await ready.report()).reasons == {"one": "no answer within 0.02 s"}
    assert begun == 1
    undone.set()
