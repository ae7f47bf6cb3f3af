"""Answers that are given again: the same bytes as read anew, until what they were read from moves."""

import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.metrics.api import kept_route
from shared.http.auth import ApiKeys
from shared.http.hits import HitsFirst
from shared.http.kept import VOUCHED
from shared.http.observing import Observer
from shared.kernel.journal import Journal
from shared.kernel.tokens import Token
from shared.sales.references import Key
from shared.storage.database import Database
from shared.storage.progress import Mark, save_mark
from shared.telemetry.metrics import Metrics
from tests.integration.metrics_read.app import READER, HandClock, application, questions_on
from tests.integration.metrics_read.books import fold_all, open_books, said, set_position

APPLIED = datetime(2026, 11, 22, tzinfo=UTC)
DAY = date(2026, 11, 2)
ASKED = "/v1/kpis/order-count?by=customer&to=2026-11-30"
JOURNALS: dict[Key, Journal] = {
    Key("order", name): (said("1", DAY, {"ordered_on": "2026-11-02", "customer_id": "acme"}),) for name in "abc"
}


@dataclass(slots=True)
class Served:
    """The application behind what is kept, and its books."""

    database: Database
    clock: HandClock
    http: httpx.AsyncClient
    metrics: Metrics
    keys: Path

    async def ask(self, asked: str = ASKED, **headers: str) -> httpx.Response:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.http.get(asked, headers={**READER, **sent})

    async def empty(self) -> None:
        """What no event does: whoever reads the ledger from now on finds nothing. A hit does not read."""
        async with self.database.write() as writer:
            await writer.execute("DELETE FROM trade_postings")

    async def move(self, number: int = 9) -> None:
        """Another event is applied."""
        async with self.database.write() as writer:
            await set_position(writer, number, at=APPLIED + timedelta(hours=1), first_known=DAY)


@pytest.fixture
async def served(database_url: str, tmp_path: Path) -> AsyncIterator[Served]:
    clock, metrics = HandClock(), Metrics()
    async with open_books(database_url) as database:
        await fold_all(database, JOURNALS, {}, at=APPLIED)
        questions = questions_on(database, clock)
        app = application(questions, tmp_path)
        keys = tmp_path / "keys"
        hits = HitsFirst(
            app,
            route=kept_route(),
            snapshots=questions,
            keys=ApiKeys(keys),
            observer=Observer("metrics", metrics, clock),
        )
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=hits), base_url="http://metrics") as http:
            yield Served(database, clock, http, metrics, keys)


def rows(response: httpx.Response) -> Any:
    assert response.status_code == 200, response.text
    return [(row["customer"], row["value"]) for row in response.json()["rows"]]


async def test_the_same_question_has_the_same_answer_to_the_byte(served: Served) -> None:
    first = await served.ask()
    assert rows(first) == [("acme", 3)]
    await served.empty()
    for waited in (0.0, VOUCHED / 2, 60.0):
        served.clock.forward(seconds=waited)
        again = await served.ask()
        assert again.content == first.content
        assert {k: v for k, v in again.headers.items() if k != "x-request-id"} == {
            k: v for k, v in first.headers.items() if k != "x-request-id"
        }
    assert rows(await served.ask(f"{ASKED}&related=exclude")) == []
    assert b'route="/v1/kpis/{slug}"' in served.metrics.render()


async def test_a_hit_is_told_of_movement_within_its_bound(served: Served) -> None:
    first = await served.ask()
    await served.empty()
    await served.move()
    behind = await served.ask()
    assert (behind.content, behind.json()["as_of"]) == (first.content, "2026-11-22T00:00:00Z")
    served.clock.forward(seconds=VOUCHED * 1.1)
    moved = await served.ask()
    assert rows(moved) == []
    assert moved.json()["as_of"] == "2026-11-22T01:00:00Z"


async def test_whoever_waits_for_an_event_has_it(served: Served) -> None:
    await served.ask()
    await served.empty()
    await served.move()
    token = Token.of(1, [(0, 9)]).encode()
    assert rows(await served.ask(f"{ASKED}&after={token}")) == []
    assert rows(await served.ask()) == []


async def test_no_answer_is_older_than_one_before_it(served: Served) -> None:
    await served.ask()
    await served.empty()
    await served.move()
    assert (await served.ask("/v1/kpis")).json()["as_of"] == "2026-11-22T01:00:00Z"
    assert rows(await served.ask()) == []


async def test_only_what_moved_is_told_anew(served: Served) -> None:
    first = await served.ask()
    await served.empty()
    async with served.database.write() as writer:
        await save_mark(writer, Mark(1, APPLIED + timedelta(minutes=5), {0: 1, 1: 1}))
    served.clock.forward(seconds=1)
    again = await served.ask()
    assert rows(again) == rows(first)
    assert again.json()["complete_through"] == "2026-11-22T00:05:00Z"
    assert again.headers["etag"] != first.headers["etag"]


async def test_who_has_it_is_told_so(served: Served) -> None:
    etag = (await served.ask()).headers["etag"]
    again = await served.ask(if_none_match=f'"other", {etag}')
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    assert (await served.ask(if_none_match='"other"')).status_code == 200


async def test_hits_are_only_for_those_who_may_read(served: Served) -> None:
    await served.ask()
    assert (await served.ask()).status_code == 200
    assert (await served.ask(authorization="Bearer nobody")).status_code == 401
    served.keys.write_text(served.keys.read_text().replace(":read\n", ":write\n"))
    served.clock.forward(seconds=VOUCHED * 1.1)
    refused = await served.ask()
    assert refused.status_code == 403, refused.text


@pytest.mark.parametrize("level", [logging.WARNING, logging.INFO])
async def test_a_hit_has_a_name_and_is_counted_whether_requests_are_logged_or_not(
    served: Served, caplog: pytest.LogCaptureFixture, level: int
) -> None:
    caplog.set_level(level, "quintant.http")
    first, again, third = [await served.ask() for _ in range(3)]
    names = {answer.headers["x-request-id"] for answer in (first, again, third)}
    assert [len(name) for name in names] == [32, 32, 32]
    assert again.content == third.content == first.content
    assert (await served.ask(x_request_id="mine-4711")).headers["x-request-id"] == "mine-4711"
    assert (await served.ask(x_request_id="not mine")).headers["x-request-id"] != "not mine"
    counted = [
        line for line in served.metrics.render().splitlines() if line.startswith(b"quintant_http_requests_total{")
    ]
    assert [line.rpartition(b" ")[2] for line in counted] == [b"4.0"]  # the first was none


async def test_other_forms_and_failures_are_not_kept(served: Served) -> None:
    for asked, status in ((f"{ASKED}&format=csv", 200), ("/v1/kpis/order-count?by=nothing", 422), ("/v1/kpis/no", 404)):
        first, again = await served.ask(asked), await served.ask(asked)
        assert (first.status_code, again.status_code) == (status, status)
    await served.empty()
    assert (await served.ask(f"{ASKED}&format=csv")).text.count("\r\n") == 1
