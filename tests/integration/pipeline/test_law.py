"""The law on a real database: the order, repetition, batches and partitions of events do not matter."""

from dataclasses import replace
from datetime import date
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as trying
from hypothesis import strategies as st

from services.pipeline.domain.facts import Facts
from services.pipeline.queries.deals import digest
from shared.sales.company import Company
from shared.sales.references import Key
from shared.storage.database import Database
from tests.integration.pipeline.conftest import clear
from tests.integration.pipeline.telling import Event, Stream, event, opener, tell
from tests.unit.pipeline.stories import Story, stories

_SEEN = ", ".join(("deal", "known_from", "known_until", "valid_from", "valid_until", *Facts._fields))
_EVERYTHING = f"""SELECT {_SEEN} FROM deal_state JOIN position p USING (partition)
WHERE from_number <= p.number AND (until_number IS NULL OR until_number > p.number)"""  # noqa: S608 - constants

Rows = list[tuple[object, ...]]
_FEW = st.integers(1, 3)
_STAGES = (("02", "prospecting"), ("05", "qualification"), ("09", "proposal"), ("12", "won"))


@st.composite
def companies_of_deals(draw: st.DrawFn) -> list[Event]:
    """Several deals, and the references that they share."""
    told = draw(st.lists(stories(), min_size=1, max_size=4))
    deals = [Event(Key("deal", f"D-{n}"), one) for n, story in enumerate(told) for one in story.deal]
    return deals + _references(told[0])


def _references(story: Story) -> list[Event]:
    return [Event(key, one) for key, one in story.references]


async def told(database: Database, company: Company, batches: list[list[Event]], partitions: int, chunk: int) -> None:
    await clear(database)
    stream = Stream(partitions)
    await tell(opener(database, company, chunk=chunk), *(stream.number(batch) for batch in batches))


async def standing(database: Database) -> tuple[Rows, tuple[str, int], tuple[str, int]]:
    """Everything that a reader can see, in an order of its own, and two digests."""
    async with database.read() as reader:
        rows = await reader.rows(_EVERYTHING)
        found = sorted((tuple(row) for row in rows), key=repr)
        return found, await digest(reader, None), await digest(reader, date(2026, 3, 30))


@trying(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(events=companies_of_deals(), data=st.data())
async def test_order_repetition_batches_and_partitions_do_not_matter(
    database: Database, company: Company, events: list[Event], data: st.DataObject
) -> None:
    await told(database, company, [events], 1, 500)
    expected = await standing(database)
    shuffled = data.draw(st.permutations(events + events[:3]))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(shuffled)), max_size=4)))
    batches = [shuffled[start:end] for start, end in pairwise([0, *cuts, len(shuffled)])]
    partitions, chunk = data.draw(_FEW), data.draw(_FEW)
    await told(database, company, batches, partitions, chunk)
    assert await standing(database) == expected


async def test_the_digest_tells_other_deals_apart(database: Database, company: Company) -> None:
    """It can fail."""
    seen = set()
    for stage in ("proposal", "won"):
        await told(database, company, [[event("deal", "D-1", "2026-03-01T00:00:00Z", stage=stage)]], 1, 500)
        seen.add((await standing(database))[1])
    assert len(seen) == 2


@pytest.mark.parametrize("code", ["as it was", "another"])
async def test_what_the_same_code_wrote_is_gone_on_and_what_other_code_wrote_is_replaced(
    database: Database, company: Company, code: str
) -> None:
    """Told by a row that was tampered with, and that the last event closes no more."""
    told_of = [event("deal", "D-1", f"2026-03-{day}T00:00:00Z", stage=stage) for day, stage in _STAGES]
    await clear(database)
    stream = Stream(1)
    await tell(opener(database, company, code="as it was"), stream.number(told_of[:-1]))
    async with database.write() as writer:
        await writer.execute("UPDATE deal_state SET title = 'X' WHERE stage = 'prospecting'")
    await tell(opener(database, company, code=code), stream.number(told_of[-1:]))
    async with database.read() as reader:
        kept = await reader.value("SELECT count(*) FROM deal_state WHERE title = 'X'")
    assert (kept > 0) == (code == "as it was")


async def test_the_model_that_an_older_version_left_behind_is_not_gone_on(
    database: Database, company: Company
) -> None:  # fmt: skip
    """It writes journal and rows, and knows nothing of the model beside them."""
    told_of = [event("deal", "D-1", f"2026-03-{day}T00:00:00Z", stage=stage) for day, stage in _STAGES]
    await told(database, company, [told_of], 1, 500)
    expected = await standing(database)
    await clear(database)
    stream = Stream(1)
    await tell(opener(database, company), stream.number(told_of[:-2]))
    async with database.read() as reader:
        left = await reader.value("SELECT model FROM entity")
    await tell(opener(database, company), stream.number(told_of[-2:-1]))
    async with database.write() as writer:
        await writer.execute("UPDATE entity SET model = $1", left)
    await tell(opener(database, company), stream.number(told_of[-1:]))
    assert await standing(database) == expected


async def test_rows_made_by_other_rules_are_replaced_with_the_next_event(database: Database, company: Company) -> None:
    """A worker that starts with another table of stages leaves nothing of what the one before wrote."""
    told_of = [event("deal", "D-1", f"2026-03-{day}T00:00:00Z", stage=stage) for day, stage in _STAGES]
    await told(database, company, [told_of], 1, 500)
    expected = await standing(database)
    await clear(database)
    stream = Stream(1)
    other = replace(company, pipelines=replace(company.pipelines, stages={"default": ("proposal",)}))
    await tell(opener(database, other), stream.number(told_of[:-1]))
    await tell(opener(database, company), stream.number(told_of[-1:]))
    assert await standing(database) == expected
