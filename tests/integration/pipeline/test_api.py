"""The routes over the real application and database: what is asked is answered, exactly."""

import asyncio
from typing import Any

import httpx
import pytest

from shared.kernel.tokens import Token
from shared.sales.company import Company
from shared.storage.database import Database
from tests.integration.pipeline.company import DEALS, REFERENCES
from tests.integration.pipeline.conftest import WRITE_ONLY, clear
from tests.integration.pipeline.telling import Stream, event, opener, tell

LATER = "2026-04-01T00:00:00Z"
"""After everything that happened."""


@pytest.fixture(scope="module", autouse=True)
async def stream(database: Database, company: Company) -> Stream:
    await clear(database)
    numbered = Stream(partitions=2)
    await tell(opener(database, company), numbered.number(REFERENCES + DEALS))
    return numbered


async def get(client: httpx.AsyncClient, path: str, **asked: Any) -> dict[str, Any]:
    response = await client.get(path, params=asked)
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


async def ids(client: httpx.AsyncClient, **asked: Any) -> list[str]:
    body = await get(client, "/v1/deals", **{"at": LATER, **asked})
    found = [one["id"] for one in body["items"]]
    assert body["total"] == len(found)
    return found


async def test_deals_are_listed_as_they_are(client: httpx.AsyncClient) -> None:
    body = await get(client, "/v1/deals", at="2026-03-06T00:00:00Z")
    assert [one["id"] for one in body["items"]] == ["D-1", "D-2", "D-3"]
    assert body["items"][0] == {
        "id": "D-1",
        "title": "First",
        "pipeline": "default",
        "stage": "proposal",
        "outcome": "open",
        "amount": {"amount": "100", "currency": "EUR"},
        "value": {"amount": "125", "currency": "USD"},
        "estimated": False,
        "owner_id": "ann",
        "team": "north",
        "manager": "max",
        "region": "emea",
        "customer_id": "acme",
        "product_id": "bolt",
        "category": "metal",
        "channel_id": "web",
        "business_line": "tools",
        "created_on": "2026-03-02",
        "expected_close_on": None,
        "entered_stage_at": "2026-03-05T01:00:00Z",
        "days_in_stage": 1,
    }
    assert (body["next"], body["total"], body["at"]) == (None, 3, "2026-03-06T00:00:00Z")
    assert "known_at" not in body


async def test_a_deal_without_an_amount_is_valued_from_the_price_list(client: httpx.AsyncClient) -> None:
    first = (await get(client, "/v1/deals/D-1", at="2026-03-03T00:00:00Z"))["value"]
    assert first == {"amount": "30", "currency": "USD"}
    second = await get(client, "/v1/deals/D-2")
    assert (second["amount"], second["estimated"]) == ({"amount": "2", "currency": "USD"}, True)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, ["D-1", "D-2", "D-3", "D-4", "D-5", "D-7", "team/8"]),
        ({"outcome": "ended"}, ["D-6"]),
        ({"outcome": ["won", "lost"]}, ["D-1", "D-3", "D-7"]),
        ({"outcome": "open"}, ["D-2", "D-4", "D-5", "team/8"]),
        ({"pipeline": "renewals"}, ["D-4"]),
        ({"pipeline": "partners"}, ["D-7"]),
        ({"stage": "unmapped"}, ["D-5"]),
        ({"stage": ["qualification", "notice"]}, ["D-2", "D-4"]),
        ({"owner": "ann"}, ["D-1", "D-2"]),
        ({"team": "south", "outcome": "open"}, ["D-5", "team/8"]),
        ({"region": "emea"}, ["D-1", "D-2"]),
        ({"customer": "acme"}, ["D-1", "D-2"]),
        ({"customer": "acme-2"}, []),
        ({"product": "nut"}, ["D-2", "D-3"]),
        ({"channel": "web"}, ["D-1"]),
        ({"business_line": "tools"}, ["D-1"]),
        ({"missing": "customer"}, ["D-4", "D-5", "D-7", "team/8"]),
        ({"missing": ["customer", "owner"]}, ["D-4", "D-7"]),
        ({"missing": "product", "outcome": "open"}, ["D-4", "team/8"]),
        ({"missing": "amount"}, ["D-2", "D-5"]),
        ({"amount_min": "20"}, ["D-1", "D-3", "team/8"]),
        ({"amount_min": "20.01", "amount_max": "50"}, ["D-3"]),
        ({"created_from": "2026-02-15", "created_to": "2026-03-02"}, ["D-1", "D-2"]),
        ({"expected_close_from": "2026-05-01", "expected_close_to": "2026-05-01"}, ["D-4"]),
        ({"in_stage_longer_than": "P25D", "outcome": "open"}, ["D-2", "D-4"]),
        ({"in_stage_longer_than": "P26D", "outcome": "open"}, ["D-2"]),
        ({"in_stage_longer_than": "P29D", "outcome": "open"}, []),
        ({"in_stage_longer_than": "P999999D"}, []),
        ({"at": "2026-03-02T00:59:59.999999Z"}, []),
        ({"at": "2026-03-02T09:00:00+08:00"}, ["D-1"]),
        ({"at": "2026-03-05T01:00:00Z"}, ["D-1", "D-2", "D-3"]),
        ({"at": "2026-03-08T12:00:00Z", "outcome": ["open", "ended"]}, ["D-1", "D-2", "D-3", "D-4", "D-5", "D-6"]),
        ({"known_at": "2026-03-03"}, ["D-1", "D-2"]),
        ({"known_at": "2026-03-11", "outcome": "lost"}, []),
        ({"known_at": "2026-03-12", "outcome": "lost"}, ["D-3"]),
        ({"known_at": "2026-03-11", "at": "2026-03-11T00:00:00Z", "stage": "prospecting"}, ["D-3"]),
    ],
)  # fmt: skip
async def test_filters(client: httpx.AsyncClient, asked: dict[str, Any], expected: list[str]) -> None:
    assert await ids(client, **asked) == expected


@pytest.mark.parametrize("field", ["id", "amount", "created_on", "entered_stage_at", "expected_close_on"])
@pytest.mark.parametrize("sign", ["", "-"])
async def test_pages_follow_one_another_in_every_order(client: httpx.AsyncClient, field: str, sign: str) -> None:
    everything = (await get(client, "/v1/deals", at=LATER, sort=sign + field))["items"]
    name = "value" if field == "amount" else field
    keys = [one[name] for one in everything]
    said = [float(key["amount"]) if field == "amount" else key for key in keys if key is not None]
    assert said == sorted(said, reverse=bool(sign))
    assert keys[len(said) :] == [None] * (len(keys) - len(said)), "what has no value comes last in either direction"
    paged: list[dict[str, Any]] = []
    url = httpx.URL("/v1/deals", params={"at": LATER, "sort": sign + field, "limit": 2})
    while True:
        response = await client.get(url)
        body = response.json()
        assert body["total"] == len(everything)
        paged += body["items"]
        if body["next"] is None:
            assert "link" not in response.headers
            break
        url = httpx.URL(response.links["next"]["url"])
    assert paged == everything


async def test_a_deal_tells_its_way(client: httpx.AsyncClient) -> None:
    body = await get(client, "/v1/deals/team/8", at="2026-03-16T01:00:00Z")
    assert [(one["from"], one["to"], one["at"]) for one in body["timeline"]] == [
        (None, "proposal", "2026-03-10T01:00:00Z"),
        ("proposal", "qualification", "2026-03-11T01:00:00Z"),
        ("qualification", "proposal", "2026-03-14T01:00:00Z"),
    ]
    assert body["timeline"][1] == {
        "from": "proposal",
        "to": "qualification",
        "pipeline": "default",
        "outcome": "open",
        "at": "2026-03-11T01:00:00Z",
        "known_on": "2026-03-11",
        "event": {"source": "/crm", "id": "team/8@2026-03-11T01:00:00Z['stage']None"},
        "amount": {"amount": "20", "currency": "USD"},
        "estimated": False,
    }
    assert body["time_in_stages"] == [
        {"pipeline": "default", "stage": "proposal", "duration": "PT259200S", "days": 3},
        {"pipeline": "default", "stage": "qualification", "duration": "PT259200S", "days": 3},
    ]
    assert (body["stage"], body["days_in_stage"]) == ("proposal", 2)


async def test_a_deal_at_a_past_instant_has_no_future(client: httpx.AsyncClient) -> None:
    body = await get(client, "/v1/deals/D-1", at="2026-03-05T00:00:00Z")
    assert (body["stage"], len(body["timeline"])) == ("prospecting", 1)
    assert body["time_in_stages"] == [
        {"pipeline": "default", "stage": "prospecting", "duration": "PT255600S", "days": 3}
    ]


async def test_amounts_in_the_timeline_are_those_of_the_moment(client: httpx.AsyncClient) -> None:
    timeline = (await get(client, "/v1/deals/D-1"))["timeline"]
    assert [(one["to"], one["amount"]["amount"], one["estimated"]) for one in timeline] == [
        ("prospecting", "30", True),
        ("proposal", "100", False),
        ("won", "120", False),
    ]


async def test_a_deal_as_known_on_a_past_day(client: httpx.AsyncClient) -> None:
    then = await get(client, "/v1/deals/D-3", at=LATER, known_at="2026-03-11")
    assert (then["stage"], len(then["timeline"]), then["known_at"]) == ("prospecting", 1, "2026-03-11")
    now = await get(client, "/v1/deals/D-3", at=LATER)
    assert (now["stage"], now["timeline"][1]["known_on"]) == ("lost", "2026-03-12")


async def test_an_ended_deal_is_told_as_ended(client: httpx.AsyncClient) -> None:
    body = await get(client, "/v1/deals/D-6")
    assert body["outcome"] == "ended"
    assert [one["to"] for one in body["timeline"]] == ["prospecting", None]


async def test_the_funnel_of_the_company(client: httpx.AsyncClient) -> None:
    default, renewals, partners = (await get(client, "/v1/funnel", at=LATER))["pipelines"]
    assert [(one["stage"], one["count"], one["value"]["amount"]) for one in default["stages"]] == [
        ("prospecting", 0, "0"),
        ("qualification", 1, "2"),
        ("proposal", 1, "20"),
    ]
    assert default["stages"][1]["estimated"] == 1
    assert default["unmapped"] == {
        "count": 1,
        "value": {"amount": "0", "currency": "USD"},
        "estimated": 0,
        "unconverted": 0,
        "unvalued": 1,
    }
    assert (default["open"]["count"], default["open"]["value"]["amount"]) == (3, "22")
    assert (default["won"]["count"], default["won"]["value"]["amount"]) == (1, "150")
    assert (default["lost"]["count"], default["lost"]["value"]["amount"]) == (1, "50")
    assert [(one["stage"], one["count"], one["unconverted"]) for one in renewals["stages"]] == [
        ("notice", 1, 1),
        ("proposal", 0, 0),
    ]
    assert (partners["pipeline"], partners["stages"], partners["won"]["count"]) == ("partners", [], 1)


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"at": "2026-03-09T12:00:00Z"},
        {"at": "2026-03-12T00:00:00Z", "known_at": "2026-03-11"},
        {"at": LATER, "owner": "bo"},
        {"at": LATER, "missing": "customer"},
        {"at": LATER, "in_stage_longer_than": "P20D"},
    ],
)
async def test_the_funnel_is_the_sum_of_the_list(client: httpx.AsyncClient, asked: dict[str, str]) -> None:
    items = (await get(client, "/v1/deals", **asked))["items"]
    for pipeline in (await get(client, "/v1/funnel", **asked))["pipelines"]:
        places = {one["stage"]: one for one in pipeline["stages"]}
        places |= {name: pipeline[name] for name in ("unmapped", "won", "lost") if name in pipeline}
        for stage, sums in places.items():
            here = [one for one in items if (one["pipeline"], one["stage"]) == (pipeline["pipeline"], stage)]
            assert sums["count"] == len(here)
            assert float(sums["value"]["amount"]) == sum(float(one["value"]["amount"]) for one in here if one["value"])
            assert sums["estimated"] == sum(one["estimated"] for one in here)
            assert sums["unconverted"] == sum(one["amount"] is not None and one["value"] is None for one in here)
            assert sums["unvalued"] == sum(one["amount"] is None for one in here)


async def test_the_funnel_of_one_pipeline(client: httpx.AsyncClient) -> None:
    [renewals] = (await get(client, "/v1/funnel", pipeline="renewals"))["pipelines"]
    assert renewals["pipeline"] == "renewals"


async def test_configured_pipelines(client: httpx.AsyncClient) -> None:
    body = await get(client, "/v1/pipelines")
    assert [one["pipeline"] for one in body["pipelines"]] == ["default", "renewals"]
    assert body["pipelines"][1]["stages"][0] == {"stage": "notice", "rank": 0, "outcome": "open"}


async def test_the_digest_is_of_what_was_known(client: httpx.AsyncClient) -> None:
    now, then = await get(client, "/v1/digest"), await get(client, "/v1/digest", known_at="2026-03-11")
    assert now["states"] > then["states"] > 0
    assert len({now["sha256"], then["sha256"]}) == 2


async def test_every_answer_says_how_fresh_it_is(client: httpx.AsyncClient) -> None:
    for path in ("/v1/deals", "/v1/deals/D-1", "/v1/funnel", "/v1/pipelines", "/v1/digest"):
        body = await get(client, path)
        assert body["as_of"].endswith("Z")
        assert (body["complete_through"], body["events_behind"]) == (None, 0), "nobody has told any progress yet"
        assert "reconstructed" not in body


async def test_an_unchanged_answer_is_not_sent_again(client: httpx.AsyncClient) -> None:
    for path in ("/v1/deals", "/v1/deals/D-1", "/v1/funnel", "/v1/pipelines", "/v1/digest"):
        first = await client.get(path)
        again = await client.get(path, headers={"if-none-match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


async def problem(client: httpx.AsyncClient, path: str, status: int, slug: str) -> dict[str, Any]:
    response = await client.get(path)
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["type"] == f"urn:quintant:problem:{slug}"
    return body


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("stage=closed-won", "stage"),
        ("stage=notice&pipeline=default", "stage"),
        ("pipeline=nobodys", "pipeline"),
        ("outcome=maybe", "outcome.0"),
        ("missing=hope", "missing.0"),
        ("sort=colour", "sort"),
        ("sort=--amount", "sort"),
        ("at=2026-03-01T00:00:00", "at"),
        ("at=2026-03-01T00:00:00+08:00", "at"),
        ("at=yesterday", "at"),
        ("at=1772323200", "at"),
        ("known_at=2026-02-30", "known_at"),
        ("known_at=1772323200", "known_at"),
        ("known_at=1776-07-04", "known_at"),
        ("in_stage_longer_than=90", "in_stage_longer_than"),
        ("in_stage_longer_than=P1M", "in_stage_longer_than"),
        ("amount_min=NaN", "amount_min"),
        ("amount_min=2&amount_max=1", "amount_max"),
        ("created_from=2026-03-02&created_to=2026-03-01", "created_to"),
        ("expected_close_from=2026-03-02&expected_close_to=2026-03-01", "expected_close_to"),
        ("owner=", "owner.0"),
        ("owner=%00", "owner.0"),
        ("limit=0", "limit"),
        ("stagee=won", "query"),
    ],
)
async def test_what_cannot_be_asked_is_refused_where_it_stands(
    client: httpx.AsyncClient, query: str, parameter: str
) -> None:
    body = await problem(client, f"/v1/deals?{query}", 422, "invalid")
    [error] = body["errors"]
    assert error["parameter"] == parameter
    assert error["reason"]


@pytest.mark.parametrize(
    "path", ["/v1/funnel?colour=red", "/v1/deals/D-1?stage=won", "/v1/pipelines?x=1", "/v1/digest?at=x"]
)
async def test_a_parameter_that_a_path_does_not_take_is_refused(client: httpx.AsyncClient, path: str) -> None:
    await problem(client, path, 422, "invalid")


async def test_a_plus_sign_that_became_a_blank_is_explained(client: httpx.AsyncClient) -> None:
    body = await problem(client, "/v1/deals?at=2026-03-01T00:00:00+08:00", 422, "invalid")
    assert "%2B" in body["errors"][0]["reason"]


@pytest.mark.parametrize("cursor", ["made-up", "", "eyJhIjoxfQ"])
async def test_a_cursor_made_up_by_hand_is_refused(client: httpx.AsyncClient, cursor: str) -> None:
    await problem(client, f"/v1/deals?cursor={cursor}", 400, "malformed")


async def test_a_cursor_of_another_question_is_refused(client: httpx.AsyncClient) -> None:
    cursor = (await get(client, "/v1/deals", limit=1))["next"]
    await problem(client, f"/v1/deals?limit=1&sort=-amount&cursor={cursor}", 400, "malformed")


@pytest.mark.parametrize(
    "path",
    [
        "/v1/deals/D-99",
        "/v1/deals/%00",
        "/v1/deals/",
        "/v1/deals/D-1?at=2026-03-01T00:00:00Z",
        "/v1/deals/D-3?known_at=2026-03-03",
    ],
)
async def test_a_deal_that_is_not_there(client: httpx.AsyncClient, path: str) -> None:
    await problem(client, path, 404, "not-found")


@pytest.mark.parametrize("path", ["/v1/deals", "/v1/deals/D-1", "/v1/funnel", "/v1/digest"])
async def test_nothing_was_known_before_the_first_day(client: httpx.AsyncClient, path: str) -> None:
    await problem(client, f"{path}?known_at=2026-02-28", 404, "not-known")


async def test_callers_without_a_fitting_key(client: httpx.AsyncClient) -> None:
    for key, status in (("nobody", 401), (WRITE_ONLY, 403)):
        response = await client.get("/v1/deals", headers={"authorization": f"Bearer {key}"})
        assert response.status_code == status


async def test_waiting_is_bounded_and_says_where_things_stand(client: httpx.AsyncClient, stream: Stream) -> None:
    ahead = Token.of(1, [(0, stream.numbers[0] + 1)]).encode()
    body = await problem(client, f"/v1/funnel?after={ahead}", 504, "behind")
    assert {"as_of", "complete_through", "events_behind"} <= body.keys()


@pytest.mark.parametrize(
    ("token", "status", "slug"), [("made-up", 400, "malformed"), (Token(2, ()).encode(), 422, "invalid")]
)
async def test_a_token_that_is_not_of_this_stream(
    client: httpx.AsyncClient, token: str, status: int, slug: str
) -> None:
    await problem(client, f"/v1/deals?after={token}", status, slug)


async def test_the_openapi_document_names_every_route(client: httpx.AsyncClient) -> None:
    paths = (await get(client, "/openapi.json"))["paths"]
    assert {"/v1/deals", "/v1/deals/{deal}", "/v1/funnel", "/v1/pipelines", "/v1/digest"} <= paths.keys()
    said = {one["name"]: one["schema"] for one in paths["/v1/deals"]["get"]["parameters"]}
    assert said["in_stage_longer_than"]["anyOf"][0] == {"type": "string", "format": "duration"}
    assert {"at", "known_at", "after", "cursor", "limit", "sort"} <= said.keys()


async def test_a_reader_sees_its_own_write_as_soon_as_it_is_applied(
    client: httpx.AsyncClient, database: Database, company: Company, stream: Stream
) -> None:
    said = event("deal", "D-new", "2026-03-15T00:00:00Z", reconstructed=True, amount={"amount": "1", "currency": "USD"})
    told = stream.number([said])
    waiting = asyncio.create_task(client.get("/v1/deals/D-new", params={"after": stream.token()}))
    await tell(opener(database, company), told)
    response = await waiting
    assert (response.status_code, response.json()["id"]) == (200, "D-new")


async def test_answers_about_days_before_an_import_are_flagged_as_reconstructed(client: httpx.AsyncClient) -> None:
    """The event above came with an import that dated its knowledge back."""
    assert (await get(client, "/v1/deals", known_at="2026-03-20"))["reconstructed"] is True
    assert "reconstructed" not in await get(client, "/v1/deals", known_at="2026-06-01")
