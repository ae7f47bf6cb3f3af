"""What a lane keeps in memory cannot be seen in what it writes, and is gone with the lane."""

from collections.abc import Mapping, Sequence

import asyncpg
import pytest

from shared.kernel.clock import SystemClock
from shared.kernel.errors import UnavailableError
from shared.messaging.failpoints import Failpoints
from shared.messaging.folding import FoldingOpener
from shared.storage.database import Database
from shared.telemetry.metrics import Metrics
from tests.integration.core.company import Numbered, told
from tests.integration.core.lanes import Interrupting, apply_once
from tests.integration.core.service import HANDLER, REVISION, cells, empty
from tests.unit.sales import worker

STORY = told(17, events=120, deals=10, references=15)
TABLES = ("entity", "reference", "reference_use", "mini", "mini_deal")
NOTHING, LITTLE, PLENTY = 0, 40, 100_000


@pytest.mark.parametrize("batch", [1, 7, 50])
async def test_what_is_written_is_the_same_with_and_without_it(database: Database, batch: int) -> None:
    [records] = Numbered(1).accept(STORY).values()
    written = []
    for kept in (NOTHING, LITTLE, PLENTY):
        await empty(database)
        lane = await _opener(database, kept).open(0)
        for start in range(0, len(records), batch):
            await apply_once(lane, records[start : start + batch])
        written.append(await _everything(database))
    assert written[0] == written[1] == written[2]
    assert await cells(database) == worker.told(STORY)


@pytest.mark.parametrize("point", ["fold.saved", "fold.before_commit"])
async def test_what_was_not_committed_is_not_remembered(database: Database, point: str) -> None:
    """The very lane that was broken off goes on, which the loop would never let it do."""
    [records] = Numbered(1).accept([event for event in STORY if event.is_deal]).values()
    lane = await _opener(database, PLENTY, Interrupting(at=point, time=2)).open(0)
    await apply_once(lane, records[:30])
    with pytest.raises(UnavailableError):
        await apply_once(lane, records[30:60])
    await apply_once(lane, records[30:])
    assert await cells(database) == worker.told([event for event in STORY if event.is_deal])


def _opener(database: Database, kept: int, failpoints: Failpoints | None = None) -> FoldingOpener:
    return FoldingOpener(
        database, REVISION, 1, HANDLER, Metrics(), SystemClock(), failpoints or Failpoints(), chunk=3, kept=kept
    )


async def _everything(database: Database) -> Mapping[str, Sequence[asyncpg.Record]]:
    async with database.read() as reader:
        return {
            table: await reader.rows(f"SELECT * FROM {table} AS t ORDER BY t::text")  # noqa: S608 - named above
            for table in TABLES
        }
