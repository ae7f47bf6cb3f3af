"""The law on real tables: however the events come and however the work is split, the books are the same."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from services.metrics.audit import audit, digest
from services.metrics.handlers import handler
from shared.kernel.errors import UnavailableError
from shared.messaging.folding import Change
from shared.sales.references import References
from shared.storage.database import Database, Writer
from shared.storage.position import FencedError, read_standing
from tests.integration.metrics_write.books import apply, apply_all, empty, ledger_cells, opener, story, stream
from tests.unit.metrics_write.partition import told
from tests.unit.metrics_write.stories import COMPANY


async def digest_of(database: Database) -> str:
    async with database.read() as reader:
        return await digest().tell(reader)


@pytest.fixture(scope="module")
async def expected(opened: Database) -> str:
    """The digest of story 1, applied in one go in one partition."""
    await empty(opened)
    await apply_all(opened, stream(story(1)))
    return await digest_of(opened)


@pytest.mark.parametrize(("batch", "chunk", "partitions"), [(1, 500, 1), (7, 3, 1), (50, 10, 3), (2000, 5, 4)])
async def test_batches_chunks_and_partitions_do_not_matter(
    expected: str, database: Database, batch: int, chunk: int, partitions: int
) -> None:
    events = story(1)
    await apply_all(database, stream(events[::-1], partitions), batch=batch, chunk=chunk)
    assert await digest_of(database) == expected
    assert await ledger_cells(database) == told(events)
    report = await audit(database)
    assert report.sound
    assert report.entities > 0


async def test_another_event_gives_another_digest(expected: str, database: Database) -> None:
    events = story(1)
    first = next(index for index, event in enumerate(events) if event.key.kind == "order")
    events[first] = events[first]._replace(assertion=replace(events[first].assertion, ended=True))
    await apply_all(database, stream(events))
    assert await digest_of(database) != expected


async def test_a_record_that_comes_again_changes_nothing(database: Database) -> None:
    events = story(2)
    again = [*events, *events[:40]]
    await apply_all(database, stream(again), batch=30)
    assert await ledger_cells(database) == told(events)


async def test_a_refold_that_is_interrupted_is_not_seen_and_is_finished_by_the_next_worker(database: Database) -> None:
    events = [event for event in story(3) if not event.is_reference]
    moves = [event for event in story(3) if event.is_reference]
    records = stream([*events, *moves])[0]
    await apply(await opener(database).open(0), records[: len(events)])
    before = await digest_of(database)
    lane = await opener(database, chunk=5, using=replace(handler(COMPANY), save=_Failing(after=3))).open(0)
    with pytest.raises(UnavailableError):
        await apply(lane, records)
    async with database.read() as reader:
        assert (await read_standing(reader)).positions == {0: len(events)}
        assert await reader.value("SELECT turn FROM position") == 3
        assert await reader.value("SELECT count(*) FROM deal_postings WHERE number > $1", len(events)) > 0
    assert await digest_of(database) == before
    assert (await audit(database)).sound
    await opener(database, chunk=5).open(0)
    assert await ledger_cells(database) == told([*events, *moves])
    assert await digest_of(database) != before


async def test_a_worker_that_lost_its_partition_cannot_commit(database: Database) -> None:
    records = stream(story(4))[0]
    zombie, owner = await opener(database).open(0), await opener(database).open(0)
    await apply(owner, records[:60])
    for batch in (records[:30], records[:90]):
        with pytest.raises(FencedError):
            await zombie.apply(batch, duplicates=0, dead=[])
    await apply(owner, records)
    assert await ledger_cells(database) == told(story(4))
    assert (await audit(database)).sound


class _Failing:
    """Saves nothing, and loses the database after so many transactions."""

    def __init__(self, *, after: int) -> None:
        self._left = after

    async def __call__(
        self, _writer: Writer, _partition: int, _number: int, _changes: Sequence[Change], _references: References
    ) -> None:
        self._left -= 1
        if self._left < 0:
            raise UnavailableError("gone")
