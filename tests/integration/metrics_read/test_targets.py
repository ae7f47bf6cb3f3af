"""Targets over HTTP: what should be reached, what is, and how far along the period is."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from typing import Any

import pytest

from shared.kernel.journal import Journal, Value
from shared.sales.references import Key
from tests.integration.metrics_read.app import Caller, HandClock, application, calling, questions_on
from tests.integration.metrics_read.books import fold_all, open_books, said

NOVEMBER: dict[str, Value] = {"period_start": "2026-11-01", "period_end": "2026-11-30"}
PLANNED = date(2026, 11, 1)


def target(**fields: Value) -> Journal:
    return (said("1", PLANNED, {"kpi": "revenue", **NOVEMBER, "value": "1000", **fields}),)


def usd(amount: str) -> dict[str, Value]:
    return {"amount": amount, "currency": "USD"}


ORDER: dict[str, Value] = {
    "ordered_on": "2026-11-10",
    "channel_id": "web",
    "lines": {"1": {"quantity": "1", "net": usd("800")}},
}
LOST: dict[str, Value] = {"stage": "lost", "created_on": "2026-11-01", "amount": usd("5")}

REFERENCES: dict[Key, Journal] = {
    Key("target", "company"): (
        *target(currency="USD", title="November", owner_id="ann"),
        said("2", date(2026, 11, 15), {"value": "2000"}),
    ),
    Key("target", "web"): target(slice={"channel": "web"}, owner_id="bob"),
    Key("target", "losses"): target(kpi="deals-lost-count", value="3"),
    Key("target", "nothing"): target(value="0"),
    Key("target", "euros"): target(currency="EUR"),
    Key("target", "unknown"): target(kpi="happiness"),
    Key("target", "sideways"): target(slice={"colour": "red"}),
    Key("target", "ended"): (*target(), *target()),
}


@pytest.fixture(scope="module")
async def company(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Caller]:
    journals: dict[Key, Journal] = {
        Key("order", "o1"): (said("1", date(2026, 11, 10), ORDER),),
        Key("deal", "d1"): (said("1", date(2026, 11, 12), LOST),),
    }
    references = {key: journal for key, journal in REFERENCES.items() if key.id != "ended"}
    async with open_books(database_url) as database:
        await fold_all(database, journals, references, at=datetime(2026, 11, 22, tzinfo=UTC))
        app = application(questions_on(database, HandClock()), tmp_path_factory.mktemp("keys"))
        async with calling(app) as caller:
            yield caller


async def found(company: Caller, target_id: str, **parameters: Any) -> Any:
    items = (await company.get("/v1/targets", **parameters))["items"]
    return next(item for item in items if item["id"] == target_id)


async def test_a_target_and_its_actual(company: Caller) -> None:
    """Sunday 22 November: 15 of 21 working days are over."""
    assert await found(company, "company") == {
        "id": "company",
        "kpi": "revenue",
        "title": "November",
        "owner": "ann",
        "period": {"start": "2026-11-01", "end": "2026-11-30"},
        "slice": {},
        "target": usd("2000.00"),
        "actual": usd("800.00"),
        "attainment": "0.4",
        "band": "correct",
        "share_of_working_days": "0.714286",
        "pace": "0.56",
        "pace_band": "correct",
        "landing": usd("1120.00"),
        "trouble": None,
    }


async def test_a_target_as_known_before_it_was_raised(company: Caller) -> None:
    """On the 12th the target was 1000, and 9 of 21 working days were over."""
    then = await found(company, "company", known_at="2026-11-12")
    assert (then["target"], then["attainment"], then["band"]) == (usd("1000.00"), "0.8", "watch")
    assert (then["share_of_working_days"], then["pace_band"]) == ("0.428571", "excellent")
    early = await found(company, "company", known_at="2026-11-10")
    assert early["actual"] == usd("800.00")
    problem = await company.get("/v1/targets", known_at="2026-10-31", expect=404)
    assert problem["type"] == "urn:quintant:problem:not-known"


async def test_a_target_for_a_slice(company: Caller) -> None:
    web = await found(company, "web")
    assert (web["slice"], web["actual"], web["attainment"]) == ({"channel": "web"}, usd("800.00"), "0.8")


async def test_where_less_is_better(company: Caller) -> None:
    losses = await found(company, "losses")
    assert (losses["target"], losses["actual"], losses["attainment"], losses["band"]) == ("3", "1", "3", "excellent")


async def test_a_target_of_nothing_gives_no_ratio(company: Caller) -> None:
    nothing = await found(company, "nothing")
    assert (nothing["attainment"], nothing["band"], nothing["pace"]) == (None, None, None)


@pytest.mark.parametrize(
    ("target_id", "trouble"),
    [
        ("euros", "The target is in EUR, the KPI in USD."),
        ("unknown", "There is no such KPI."),
        ("sideways", "This cannot be asked of the KPI revenue. filter is no dimension"),
    ],
)
async def test_a_target_that_cannot_be_read_says_why(company: Caller, target_id: str, trouble: str) -> None:
    item = await found(company, target_id)
    assert item["trouble"].startswith(trouble)
    assert item["actual"] is None


async def test_targets_are_chosen_and_paged(company: Caller) -> None:
    async def ids(**parameters: Any) -> list[str]:
        return [item["id"] for item in (await company.get("/v1/targets", **parameters))["items"]]

    assert await ids(owner="bob") == ["web"]
    assert await ids(kpi="deals-lost-count") == ["losses"]
    assert await ids(on="2026-12-01") == []
    first = await company.get("/v1/targets", limit=4)
    rest = await company.get("/v1/targets", limit=4, cursor=first["next"])
    assert [item["id"] for item in (*first["items"], *rest["items"])] == sorted(
        key.id for key in REFERENCES if key.id != "ended"
    )
    assert rest["next"] is None
