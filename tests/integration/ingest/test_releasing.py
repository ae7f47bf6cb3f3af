"""What waits for a stage map is taken in once the map is there, also when requests race or die in between."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from services.ingest.domain.candidates import Candidate, Outcome, Status
from services.ingest.inbox import Inbox, Submission
from services.ingest.intake import Intake
from services.ingest.settings import Settings
from services.ingest.upkeep.releasing import Releasing
from shared.kernel.clock import SystemClock
from shared.kernel.period import Calendar
from shared.storage.database import Database
from shared.telemetry.metrics import Metrics

WHEN = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
async def intake(settings: Settings, database: Database) -> AsyncIterator[Intake]:
    clock = SystemClock()
    inbox = Inbox(database, Calendar(ZoneInfo("UTC")), settings.partitions, Metrics(), clock)
    running = asyncio.create_task(inbox.run())
    yield Intake(database, inbox, settings.company().pipelines, Metrics(), clock)
    running.cancel()
    await asyncio.wait([running])


def deals(source: str, count: int) -> list[Candidate]:
    """They name a stage that only a map explains."""
    return [
        Candidate("deal", source, f"e{n}", f"{source}-{n}", WHEN, 0, b'{"id":"%d","stage":"Angebot"}' % n, None)
        for n in range(count)
    ]


def stage_map(source: str, event_id: str = "map") -> Candidate:
    said = b'{"id":"%s#default","stages":{"Angebot":{"stage":"proposal-negotiation"}}}' % source.encode()
    return Candidate("stage-map", source, event_id, f"{source}#default", WHEN, 0, said, None)


async def statuses(intake: Intake, events: Sequence[Candidate]) -> set[Status]:
    """What ingest says when they are sent again."""
    again: list[Candidate | Outcome] = [replace(one) for one in events]
    return {one.status for one in await intake.take(again, None, kind="api")}


async def test_two_requests_with_the_same_map_release_what_waits_once(intake: Intake) -> None:
    waiting = deals("/race", 40)
    assert {one.status for one in await intake.take(waiting, None, kind="api")} == {Status.QUARANTINED}
    requests = (intake.take([stage_map("/race", f"map-{n}")], None, kind="api") for n in range(4))
    told = await asyncio.gather(*requests)
    assert [one.status for outcomes in told for one in outcomes] == [Status.ACCEPTED] * 4
    assert await statuses(intake, waiting) == {Status.DUPLICATE}


async def test_what_a_killed_process_did_not_release_is_released_by_the_worker(
    intake: Intake, database: Database
) -> None:
    waiting = deals("/killed", 3)
    await intake.take(waiting, None, kind="api")
    await intake.inbox.accept(Submission([stage_map("/killed")]))  # and killed before it looked at what waits
    looking = asyncio.create_task(Releasing(intake, every_seconds=0.05).run())
    await _released(database, "/killed")
    looking.cancel()
    assert await statuses(intake, waiting) == {Status.DUPLICATE}


async def test_what_still_means_nothing_is_not_tried_for_ever(intake: Intake, database: Database) -> None:
    waiting = [replace(one, public=b'{"id":"1","stage":"Unbekannt"}') for one in deals("/other", 1)]
    await intake.take(waiting, None, kind="api")
    await intake.inbox.accept(Submission([stage_map("/other")]))
    async with database.write() as writer:
        await writer.execute("UPDATE event SET accepted_at = accepted_at - interval '1 hour' WHERE source = '/other'")
    await intake.retry_forgotten()
    async with database.read() as reader:
        row = await reader.row("SELECT attempts, released_at FROM quarantine WHERE source = '/other'")
    assert row is not None
    assert (row["attempts"], row["released_at"]) == (0, None)


async def _released(database: Database, source: str) -> None:
    """Return when nothing of this source waits any more."""
    async with asyncio.timeout(20):
        left = await _waiting(database, source)
        while left:
            await asyncio.sleep(0.02)
            left = await _waiting(database, source)


async def _waiting(database: Database, source: str) -> int:
    async with database.read() as reader:
        row = await reader.row(
            "SELECT count(*) AS left FROM quarantine WHERE source = $1 AND released_at IS NULL", source
        )
    assert row is not None
    left: int = row["left"]
    return left
