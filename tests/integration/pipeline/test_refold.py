"""While a reference change refolds many deals, readers see all of it or nothing, however often it is interrupted."""

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from shared.messaging.failpoints import Failpoints
from shared.sales.company import Company
from shared.storage.database import Database
from tests.integration.pipeline.conftest import clear
from tests.integration.pipeline.telling import Event, Stream, event, opener, tell

DEALS = 7


class DiedError(Exception):
    """As if the process had died here."""


@dataclass(slots=True)
class DiesAfter(Failpoints):
    """Lets so many turns of a refold be committed, then dies before the next one."""

    turns: int = 0

    def reach(self, name: str) -> None:
        if name == "refold.turn_committed":
            self.turns -= 1
            if self.turns < 0:
                raise DiedError


def company_of_ann() -> list[Event]:
    north = [
        event("organisation-unit", "north", "2026-03-01T00:00:00Z", source="/hr", kind="team"),
        event("organisation-unit", "south", "2026-03-01T00:00:00Z", source="/hr", kind="team"),
        event("member", "ann", "2026-03-01T00:00:00Z", source="/hr", unit_id="north"),
    ]
    money = {"amount": "10", "currency": "USD"}
    deals = [
        event("deal", f"D-{n}", "2026-03-02T00:00:00Z", owner_id="ann", stage="proposal", amount=money)
        for n in range(DEALS)
    ]
    return north + deals


MOVED = event("member", "ann", "2026-03-03T00:00:00Z", source="/hr", unit_id="south")
MOVED_BACK = event("member", "ann", "2026-03-04T00:00:00Z", source="/hr", unit_id="north")


async def teams(client: httpx.AsyncClient) -> Counter[str]:
    """Deals by team, by list and by funnel."""
    body: dict[str, Any] = (await client.get("/v1/deals")).json()
    found = Counter(one["team"] for one in body["items"])
    assert body["total"] == DEALS
    for team, count in found.items():
        [funnel, _] = (await client.get("/v1/funnel", params={"team": team})).json()["pipelines"]
        assert funnel["open"]["count"] == count
    return found


async def rows(database: Database) -> int:
    async with database.read() as reader:
        return int(await reader.value("SELECT count(*) FROM deal_state"))


async def test_readers_between_the_turns_see_the_old_company_and_then_the_new_one(
    database: Database, company: Company, client: httpx.AsyncClient
) -> None:
    await clear(database)
    stream = Stream()
    await tell(opener(database, company), stream.number(company_of_ann()))
    digest = (await client.get("/v1/digest")).json()["sha256"]
    lane = await opener(database, company, chunk=2, failpoints=DiesAfter(turns=0)).open(0)
    with pytest.raises(DiedError):
        await lane.apply(stream.number([MOVED])[0], duplicates=0, dead=[])
    seen = []
    while await teams(client) == {"north": DEALS}:
        seen.append(await rows(database))
        assert (await client.get("/v1/digest")).json()["sha256"] == digest
        assert (await client.get("/v1/deals/D-0")).json()["team"] == "north"
        assert (await client.get("/v1/deals", params={"after": stream.token()})).status_code == 504
        with suppress(DiedError):
            await opener(database, company, chunk=2, failpoints=DiesAfter(turns=1)).open(0)
    assert seen == [DEALS + 4, DEALS + 8, DEALS + 12], "two more deals with their old row and two new ones"
    assert await teams(client) == {"south": DEALS}
    assert (await client.get("/v1/deals", params={"after": stream.token()})).status_code == 200
    assert (await client.get("/v1/digest")).json()["sha256"] != digest


async def test_rows_that_nobody_reads_any_more_go_with_the_next_fold_of_their_deal(
    database: Database, company: Company
) -> None:
    await clear(database)
    stream = Stream()
    refolding = opener(database, company, chunk=2)
    await tell(refolding, stream.number([*company_of_ann(), MOVED]))
    assert await replaced(database) == DEALS - 1, "the last turn moves the position itself and leaves nothing behind"
    await tell(refolding, stream.number([MOVED_BACK]))
    assert await replaced(database) == 2 * (DEALS - 1)
    more = [event("deal", f"D-{n}", "2026-03-02T00:00:00Z", id="more", title="X") for n in range(DEALS)]
    await tell(refolding, stream.number(more))
    assert await replaced(database) == 0


async def replaced(database: Database) -> int:
    async with database.read() as reader:
        return int(await reader.value("SELECT count(*) FROM deal_state WHERE until_number IS NOT NULL"))


async def test_a_refold_says_nothing(database: Database, company: Company) -> None:
    """Deals that come into another stage because a map changed did not move today."""
    await clear(database)
    stream = Stream()
    opening = opener(database, company)
    await tell(opening, stream.number([event("deal", "D-1", "2026-03-02T00:00:00Z", stage="Angebot")]))
    said = await outbox(database)
    mapped = event(
        "stage-map", "/crm#default", "2026-03-03T00:00:00Z", stages={"Angebot": {"stage": "proposal"}}, source="/hr"
    )
    await tell(opening, stream.number([mapped]))
    async with database.read() as reader:
        assert await reader.value("SELECT stage FROM deal_state WHERE known_until IS NULL") == "proposal"
    assert await outbox(database) == said == 1


async def outbox(database: Database) -> int:
    async with database.read() as reader:
        return int(await reader.value("SELECT count(*) FROM outbox"))


@dataclass(slots=True)
class DiesBeforeCommit(Failpoints):
    """Dies once, in the transaction of this turn."""

    turn: int = 0

    def reach(self, name: str) -> None:
        if name == "fold.before_commit":
            self.turn -= 1
            if self.turn == 0:
                raise DiedError


async def test_a_failed_transaction_leaves_nothing_behind(database: Database, company: Company) -> None:
    """A history goes on from what was committed, also in the lane that was broken off."""
    told = [
        event("deal", "D-1", f"2026-03-0{day}T00:00:00Z", stage=stage)
        for day, stage in ((2, "proposal"), (3, "negotiation"), (4, "won"))
    ]
    await clear(database)
    lane = await opener(database, company, failpoints=DiesBeforeCommit(turn=2)).open(0)
    first, second, third = Stream().number(told)[0]
    await lane.apply([first], duplicates=0, dead=[])
    with pytest.raises(DiedError):
        await lane.apply([second, third], duplicates=0, dead=[])
    await lane.apply([second], duplicates=0, dead=[])
    await lane.apply([third], duplicates=0, dead=[])
    found = await everything(database)
    await clear(database)
    await tell(opener(database, company), Stream().number(told))
    assert found == await everything(database)


async def everything(database: Database) -> list[tuple[object, ...]]:
    async with database.read() as reader:
        rows = await reader.rows("SELECT * FROM deal_state ORDER BY known_from, known_until, valid_from, valid_until")
    return [tuple(value for name, value in row.items() if name != "from_number") for row in rows]
