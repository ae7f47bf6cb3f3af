"""A reference event folds many entities again, in many transactions: broken off anywhere, never seen half done."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import date

import pytest

from shared.contracts.records import StreamRecord
from shared.kernel.errors import UnavailableError
from shared.kernel.ledger import Cells
from shared.messaging.folding import FoldingOpener
from shared.sales.references import Key
from shared.storage.database import Database
from shared.storage.folds import load_touched
from shared.storage.position import Applied, Position, Refold, advance, take_position
from tests.integration.core.company import ALWAYS, START, Numbered, deal, moved, told
from tests.integration.core.lanes import Interrupting, apply, apply_once, opener
from tests.integration.core.service import REVISION, cells, counters, empty, read_totals, totals
from tests.unit.sales import oracle, worker
from tests.unit.sales.events import Event
from tests.unit.sales.oracle import Totals

DEALS = 20
CHUNK = 3
STORY: list[Event] = [
    *(deal(number, f"e{number}", owner_id="ann" if number % 4 else "bo") for number in range(DEALS)),
    moved("ann", "north", "r1"),
    moved("bo", "south", "r2"),
    *(deal(number, f"f{number}", stage="won") for number in range(0, DEALS, 5)),
    moved("ann", "west", "r3", hour=1),
]
POINTS = ("fold.advanced", "fold.folded", "fold.saved", "fold.appended", "fold.before_commit", "fold.committed")


def records() -> list[StreamRecord]:
    [numbered] = Numbered(1).accept(STORY).values()
    return numbered


async def times(database: Database, point: str) -> int:
    """How often a point is reached when nothing goes wrong."""
    interrupting = Interrupting()
    await apply(opener(database, interrupting, chunk=CHUNK), records())
    return interrupting.reached[point]


@pytest.mark.parametrize("point", [*POINTS, "refold.turn_committed"])
async def test_broken_off_at_every_turn_the_totals_are_equal(point: str, database: Database) -> None:
    expected = worker.told(STORY)
    reached = await times(database, point)
    assert await cells(database) == expected
    assert reached >= (DEALS // CHUNK if point != "fold.before_commit" else 4)
    for time in range(1, reached + 1):
        await empty(database)
        broken = await apply(opener(database, Interrupting(at=point, time=time), chunk=CHUNK), records())
        assert broken == 1
        assert await cells(database) == expected
        assert (await counters(database))["applied"] == len(STORY)


async def test_no_reader_ever_sees_half_a_refold(database: Database) -> None:
    """Broken off after each turn, the numbers are those from before the reference event, until all have moved."""
    stream = records()
    before = oracle.totals(STORY[:-1], *ALWAYS)
    after = oracle.totals(STORY, *ALWAYS)
    assert before != after
    await apply(opener(database), stream[:-1])
    seen: list[Totals] = []
    turns = 1
    while not seen or seen[-1] == before:
        lanes = opener(database, Interrupting(at="refold.turn_committed", time=turns), chunk=CHUNK)
        with suppress(UnavailableError):
            await apply_once(await lanes.open(0), stream)
        seen.append(await totals(database, *ALWAYS))
        turns = 2  # one more than is reached when a lane is opened that goes on with a refold
    assert seen == [before] * (DEALS * 3 // 4 // CHUNK) + [after]


async def test_readers_beside_a_running_refold_see_one_company_or_the_other(database: Database) -> None:
    stream = records()
    await apply(opener(database), stream[:-1])
    allowed = [oracle.totals(STORY[:-1], *ALWAYS), oracle.totals(STORY, *ALWAYS)]
    folding = asyncio.create_task(apply(opener(database, chunk=1), stream))
    looks = 0
    while not folding.done():
        async with database.read() as reader:
            assert await read_totals(reader, *ALWAYS) in allowed
        looks += 1
    await folding
    assert looks > 2
    assert await totals(database, *ALWAYS) == allowed[1]


async def test_a_refold_goes_on_with_another_chunk_size(database: Database) -> None:
    stream = records()
    await apply(opener(database), stream[:-1])
    lanes: Sequence[FoldingOpener] = [
        opener(database, Interrupting(at="refold.turn_committed", time=2), chunk=2),
        opener(database, Interrupting(at="refold.turn_committed", time=1), chunk=7),
    ]
    for one in lanes:
        with pytest.raises(UnavailableError):
            await apply_once(await one.open(0), stream)
    lane = await opener(database, chunk=1).open(0)
    assert (lane.position.number, lane.position.refold) == (len(STORY), None)
    assert await cells(database) == worker.told(STORY)


async def test_events_behind_a_refold_wait_for_it(database: Database) -> None:
    """In one batch: what comes after the reference event is folded with it, exactly once."""
    tail = [deal(number, f"g{number}", stage="lost") for number in range(DEALS)]
    [numbered] = Numbered(1).accept([*STORY, *tail]).values()
    for time in (1, 3, 5):
        await empty(database)
        lanes = opener(database, Interrupting(at="refold.turn_committed", time=time), chunk=CHUNK)
        assert await apply(lanes, numbered, batch=len(numbered)) == 1
        assert await cells(database) == worker.told([*STORY, *tail])


async def test_only_what_asked_for_a_reference_is_folded_again(database: Database) -> None:
    story = told(9, events=40, deals=10, references=8)
    [numbered] = Numbered(1).accept(story).values()
    await apply(opener(database), numbered)
    assert await cells(database) == worker.told(story)
    async with database.read() as reader:
        nobody = await load_touched(reader, 0, [("member", "nobody")], ("", ""), 100)
        none = await load_touched(reader, 0, [], ("", ""), 100)
        page = await load_touched(reader, 0, [Key("product", "lamp")], ("", ""), 2)
        rest = await load_touched(reader, 0, [Key("product", "lamp")], page[-1].key, 100)
    assert (nobody, none) == ([], [])
    keys = [one.key for one in (*page, *rest)]
    assert keys == sorted(set(keys))
    assert all(Key("product", "lamp") in one.standing.asked for one in (*page, *rest))


async def test_a_refold_of_nothing_ends_at_once(database: Database) -> None:
    async with database.write() as writer:
        before = await take_position(writer, 0, 1, REVISION)
        after = Position(0, 1, REVISION, 1, 0, 1, Refold(4, [], ("", "")))
        await advance(writer, before, after, Applied(START))
    lane = await opener(database).open(0)
    assert (lane.position.number, lane.position.refold) == (4, None)


async def test_a_value_known_before_its_deal_needs_no_refold(database: Database) -> None:
    story = [moved("ann", "north", "r1"), deal(1, "e1", owner_id="ann"), deal(2, "e2", owner_id="ann")]
    [numbered] = Numbered(1).accept(story).values()
    interrupting = Interrupting()
    await apply(opener(database, interrupting), numbered)
    standing: Cells = await cells(database)
    assert {cell.dimensions for cell in standing} == {("proposal", "north")}
    assert interrupting.reached["refold.turn_committed"] == 0
    assert await totals(database, date(2026, 3, 1), date.max) == oracle.totals(story, date(2026, 3, 1), date.max)
