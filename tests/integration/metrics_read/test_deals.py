"""KPIs of a handful of deals, worked out by hand."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from shared.kernel.journal import Journal
from shared.sales.references import Key
from tests.integration.metrics_read.app import Caller, HandClock, application, calling, questions_on
from tests.integration.metrics_read.books import fold_all, open_books, said

Books = Callable[..., AbstractAsyncContextManager[Caller]]
DAY, LATER = date(2026, 11, 20), date(2026, 11, 21)


def won(amount: str) -> dict[str, Any]:
    return {"stage": "won", "created_on": "2026-11-01", "amount": {"amount": amount, "currency": "USD"}}


@pytest.fixture
def books(database_url: str, tmp_path: Path) -> Books:
    """The books of these journals and nothing else."""

    @asynccontextmanager
    async def opened(
        journals: dict[Key, Journal], references: dict[Key, Journal] | None = None
    ) -> AsyncIterator[Caller]:
        async with open_books(database_url) as database:
            async with database.write() as writer:
                await writer.execute("TRUNCATE deal_postings, entity, reference, position")
            await fold_all(database, journals, references or {}, at=datetime(2026, 11, 22, tzinfo=UTC))
            async with calling(application(questions_on(database, HandClock()), tmp_path)) as caller:
                yield caller

    return opened


async def test_each_factor_of_a_velocity_opens_into_its_postings(books: Books) -> None:
    """One open deal past the first stage; two won in four and six days, one of them of unknown value; one lost."""
    opened = {"stage": "qualification", "created_on": "2026-11-01"}
    first = {"stage": "prospecting", "created_on": "2026-11-01"}
    unknown = {"stage": "won", "created_on": "2026-11-14"}
    valued = {"stage": "won", "created_on": "2026-11-16", "amount": {"amount": "70", "currency": "USD"}}
    journals: dict[Key, Journal] = {
        Key("deal", "opened"): (said("1", DAY, opened),),
        Key("deal", "fresh"): (said("1", DAY, first),),
        Key("deal", "unknown"): (said("1", DAY, unknown),),
        Key("deal", "valued"): (said("1", DAY, valued),),
        Key("deal", "lost"): (said("1", DAY, {"stage": "lost", "created_on": "2026-11-19"}),),
        Key("deal", "before"): (said("1", date(2026, 10, 1), won("5000")),),
    }
    async with books(journals) as caller:
        asked: dict[str, Any] = {"to": DAY.isoformat(), "window": "P30D"}
        page = await caller.get("/v1/kpis/sales-velocity/lineage", **asked)
        (row,) = (await caller.get("/v1/kpis/sales-velocity", **asked))["rows"]
        (cycle,) = (await caller.get("/v1/kpis/sales-cycle-won", from_="2026-11-01"))["rows"]
        days = await caller.get("/v1/kpis/sales-cycle-won/lineage", from_="2026-11-01")
    assert page["parts"] == {
        "open-deals": 1, "won": 2, "won-value": {"amount": "70.00", "currency": "USD"}, "closed": 3,
        "won-with-value": 1, "won-days": 10,
    }  # fmt: skip
    # 1 open x 2/3 x 70 a deal / 5 days
    assert page["value"] == row["value"] == {"amount": "9.333333", "currency": "USD"}
    assert row["unvalued"] == 1
    assert row["won_value_per_day"] == {"amount": "2.333333", "currency": "USD"}
    assert [item["entity"]["id"] for item in page["items"]] == ["lost", "opened", "unknown", "valued"]
    assert page["items"][3]["contributions"] == {
        "open-deals": 0, "won": 1, "won-value": {"amount": "70.00", "currency": "USD"}, "closed": 1,
        "won-with-value": 1, "won-days": 4,
    }  # fmt: skip
    assert (cycle["value"], cycle["median"], cycle["p90"], cycle["n"]) == ("5", "5", 6, 2)
    assert (days["value"], days["parts"]) == ("5", {"days": 10, "deals": 2})


async def test_a_deal_in_numerator_and_denominator_is_counted_once(books: Books) -> None:
    price = {"amount": "10", "currency": "USD"}
    bolt: Journal = (said("1", date(2020, 1, 1), {"price": price}),)
    journals: dict[Key, Journal] = {
        Key("deal", "a"): (said("1", DAY, {"stage": "won", "product_id": "bolt"}),),
        Key("deal", "b"): (said("1", DAY, {"stage": "prospecting", "product_id": "bolt"}),),
        Key("deal", "c"): (said("1", DAY, {"stage": "lost"}),),
    }
    async with books(journals, {Key("product", "bolt"): bolt}) as caller:
        (row,) = (await caller.get("/v1/kpis/win-rate-all-value"))["rows"]
    assert (row["value"], row["estimated"], row["unvalued"], row["unconverted"]) == ("0.5", 2, 1, 0)


async def test_history_begins_where_something_stands(books: Books) -> None:
    """A day to which something was posted and taken back is no part of it: it depends on who came first."""
    journals: dict[Key, Journal] = {
        Key("deal", "a"): (
            said("1", DAY, {"stage": "prospecting", "created_on": "2026-08-01"}),
            said("2", LATER, {"created_on": "2026-10-15"}),
        ),
        Key("deal", "b"): (said("1", DAY, {"stage": "prospecting", "created_on": "2026-11-02"}),),
    }
    async with books(journals) as caller:
        now = await caller.by("deals-created-count", "period", grain="month")
        then = await caller.by("deals-created-count", "period", grain="month", known_at=DAY.isoformat())
    assert now == {"2026-10": 1, "2026-11": 1}
    assert then == {"2026-08": 1, "2026-09": 0, "2026-10": 0, "2026-11": 1}


async def test_a_leap_day_is_compared_with_nothing_of_another_year(books: Books) -> None:
    def closed(day: str) -> Journal:
        return (said("1", date.fromisoformat(day), {"stage": "won", "created_on": day}),)

    days = ("2024-02-28", "2024-02-29", "2024-03-01", "2025-02-28", "2025-03-01", "2025-03-01")
    journals = {Key("deal", f"{place}"): closed(day) for place, day in enumerate(days)}
    async with books(journals) as caller:
        asked: dict[str, Any] = {"from_": "2025-02-28", "to": "2025-03-01", "grain": "day", "compare": "previous-year"}
        counts = (await caller.get("/v1/kpis/deals-won-count", **asked))["rows"]
        cycles = (await caller.get("/v1/kpis/sales-cycle-won", **asked))["rows"]
    assert [(row["value"], row["compared"]["value"]) for row in counts] == [(1, 1), (2, 1)]
    assert [(row["n"], row["compared"]["n"]) for row in cycles] == [(1, 1), (2, 1)]


async def test_stage_conversion_shows_who_is_too_young_to_tell(books: Books) -> None:
    journals: dict[Key, Journal] = {
        Key("deal", "open"): (said("1", DAY, {"stage": "qualification"}),),
        Key("deal", "won"): (said("1", DAY, {"stage": "won"}),),
        Key("deal", "lost"): (said("1", DAY, {"stage": "qualification"}), said("2", LATER, {"stage": "lost"})),
    }
    async with books(journals) as caller:
        rows = (await caller.get("/v1/kpis/stage-conversion", filter="stage:qualification"))["rows"]
    (row,) = rows
    assert (row["pipeline"], row["value"], row["numerator"], row["denominator"]) == ("default", "0.5", 1, 2)
    assert (row["reached"], row["undecided"]) == (3, 1)
