"""Reading, polling, stages and webhooks of Pipedrive, over real HTTP."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from services.ingest.sources.adapter import Account, Rate, Record
from services.ingest.sources.api import NOTHING, Keeper, SourceApi, Subscription
from services.ingest.sources.calling import ApiAnswerError, Calling, CredentialsError, TryLaterError
from services.ingest.sources.pipedrive.adapter import ADAPTER, PipedriveSettings
from services.ingest.sources.pipedrive.api import connect
from shared.http.client import Requester
from shared.kernel.clock import SystemClock
from tests.integration.sources.pipedrive.fake import FakePipedrive, Item

_SINCE = datetime(2026, 11, 24, 15, 0, 0, 300_000, tzinfo=UTC)
_UNTIL = _SINCE + timedelta(hours=1)
_FAST = Rate(1_000_000, 1)
_URL = "https://quintant.example/v1/webhooks/pipedrive"


def _account(address: str, *secrets: str, **settings: Any) -> Account:
    said = {"api_url": address, "api_token": "token-1", **settings}
    return Account("pd", secrets or ("quintant:one",), msgspec.convert(said, PipedriveSettings))


@asynccontextmanager
async def _reach(fake: FakePipedrive, *secrets: str, **settings: Any) -> AsyncIterator[tuple[SourceApi, Keeper]]:
    async with fake.serving() as address, Requester() as requester:
        found = connect(_account(address, *secrets, **settings), Calling(requester, SystemClock(), _FAST))
        assert found.api is not None
        assert found.keeper is not None
        yield found.api, found.keeper


def _deal(number: int, at: str | None, **more: object) -> Item:
    return {
        "id": number,
        "title": f"Deal {number}",
        "status": "open",
        "stage_id": 1,
        "value": 10.5,
        "currency": "EUR",
        "add_time": "2026-11-01T00:00:00Z",
        "update_time": at,
        "is_deleted": False,
        **more,
    }


async def _all_changed(api: SourceApi, kind: str, since: datetime = _SINCE) -> list[Record]:
    records: list[Record] = []
    page: str | None = None
    while True:
        changed = await api.changed(kind, since, _UNTIL, page)
        records += changed.records
        page = changed.next_page
        if page is None:
            return records


async def test_without_a_token_nothing_is_reached() -> None:
    async with Requester() as requester:
        assert connect(_account("", api_token=None), Calling(requester, SystemClock(), _FAST)) == NOTHING


async def test_read_tells_deleted_archived_and_lost_objects_apart() -> None:
    deals = [
        _deal(1, "2026-11-24T15:00:00Z"),
        _deal(2, "2026-11-24T15:00:00Z", is_archived=True),
        _deal(3, "2026-11-24T15:00:00Z", is_deleted=True, status="deleted"),
    ]
    async with _reach(FakePipedrive(objects={"deals": deals})) as (api, _):
        found = {record.id: record for record in await api.read("deals", ["1", "2", "3", "4"])}
    assert {number: record.gone for number, record in found.items()} == {"1": False, "2": False, "3": True, "4": True}
    assert (found["4"].body, json.loads(found["2"].body)["title"]) == (b"", "Deal 2")
    assert b"10.5" in found["1"].body


async def test_changed_pages_through_every_list() -> None:
    deals = [_deal(number, f"2026-11-24T15:00:{number:02}Z") for number in range(5)]
    deals += [
        _deal(10, "2026-11-24T14:59:59Z"),
        _deal(11, "2026-11-24T16:00:00Z"),
        _deal(12, "2026-11-24T16:00:02Z"),
        _deal(20, "2026-11-24T15:10:00Z", is_archived=True, status="won"),
        _deal(30, "2026-11-24T15:10:00Z", is_deleted=True, status="deleted"),
        _deal(40, None, add_time="2026-11-24T15:30:00Z"),
        _deal(41, None, add_time="2026-11-24T15:31:00Z"),
        _deal(42, None, add_time="2026-11-24T15:32:00Z"),
    ]
    async with _reach(FakePipedrive(objects={"deals": deals}, page=2)) as (api, _):
        records = await _all_changed(api, "deals")
        everything = await _all_changed(api, "deals", datetime(1970, 1, 1, tzinfo=UTC))
    assert {record.id for record in records} == {"0", "1", "2", "3", "4", "11", "20", "30", "40", "41", "42"}
    assert [record.id for record in records if record.gone] == ["30"]
    assert len(everything) == len(deals)


@pytest.mark.parametrize("kind", ["organizations", "persons", "activities"])
async def test_changed_of_other_kinds(kind: str) -> None:
    items: list[Item] = [
        {"id": 1, "name": "A", "update_time": "2026-11-24T15:10:00Z", "is_deleted": False},
        {"id": 2, "name": "B", "update_time": "2026-11-24T17:10:00Z", "is_deleted": False},
    ]
    async with _reach(FakePipedrive(objects={kind: items})) as (api, _):
        (record,) = await _all_changed(api, kind)
    assert (record.kind, record.id) == (kind, "1")
    assert kind in ADAPTER.card.kinds


async def test_users_are_chosen_by_their_time_of_change_and_read_one_by_one() -> None:
    users: list[Item] = [
        {
            "id": 1,
            "name": "A",
            "active_flag": True,
            "modified": "2026-11-24 15:10:00",
            "created": "2018-11-13 09:16:26",
        },
        {"id": 2, "name": "B", "active_flag": True, "modified": None, "created": "2018-11-13 09:16:26"},
        {"id": 3, "name": "C", "active_flag": False, "is_deleted": True, "modified": None, "hidden": True},
    ]
    async with _reach(FakePipedrive(objects={"users": users})) as (api, _):
        assert [record.id for record in await _all_changed(api, "users")] == ["1"]
        found = {record.id: record.gone for record in await api.read("users", ["2", "3", "4"])}
    assert found == {"2": False, "3": True, "4": True}


async def test_stages_of_every_pipeline_in_their_order() -> None:
    stages: list[Item] = [
        {"id": 7, "name": "Won over", "order_nr": 2, "pipeline_id": 1, "is_deleted": False},
        {"id": 3, "name": "Qualified", "order_nr": 1, "pipeline_id": 1, "is_deleted": False},
        {"id": 9, "name": "Talk", "order_nr": 1, "pipeline_id": 2, "is_deleted": False},
        {"id": 8, "name": "Old", "order_nr": 3, "pipeline_id": 1, "is_deleted": True},
    ]
    pipelines: list[Item] = [{"id": 1, "name": "Sales", "is_deleted": False}, {"id": 2, "name": "Renewals"}]
    async with _reach(FakePipedrive(objects={"stages": stages, "pipelines": pipelines}, page=1)) as (api, _):
        found = [(one.pipeline, one.label, one.title) for one in await api.stages()]
    assert found == [("1", "3", "Sales: Qualified"), ("1", "7", "Sales: Won over"), ("2", "9", "Renewals: Talk")]


async def test_failures_are_told_apart() -> None:
    fake = FakePipedrive(objects={"deals": [_deal(1, "2026-11-24T15:00:00Z")]}, busy=1)
    async with _reach(fake) as (api, _):
        with pytest.raises(TryLaterError) as later:
            await api.read("deals", ["1"])
        assert later.value.wait == timedelta(seconds=2)
    fake.failing = True
    async with _reach(fake) as (api, _):
        with pytest.raises(ApiAnswerError, match="without success"):
            await api.read("deals", ["1"])
    async with _reach(fake, api_token="other") as (api, _):
        with pytest.raises(CredentialsError) as refused:
            await api.stages()
    assert "other" not in refused.value.detail


async def test_the_keeper_makes_what_is_missing_and_leaves_what_is_there() -> None:
    fake = FakePipedrive(webhooks=[_webhook(1, "deal"), _webhook(2, "person", last_http_status=503)])
    async with _reach(fake) as (_, keeper):
        kept = await keeper.keep(_URL, None)
        assert kept == Subscription(
            "1,2,3,4,5", None, "made: organization, activity, user; person was last answered 503"
        )
        assert {one["event_object"] for one in fake.webhooks} == {"deal", "organization", "person", "activity", "user"}
        assert {(one["version"], one["http_auth_password"]) for one in fake.webhooks} == {("2.0", "one")}
        assert (await keeper.keep(_URL, kept)).id == kept.id
    assert [method for method, _, _ in fake.calls] == ["GET", "POST", "POST", "POST", "GET"]


async def test_the_keeper_makes_anew_what_was_deleted_or_speaks_otherwise() -> None:
    fake = FakePipedrive(
        webhooks=[
            _webhook(1, "deal", is_active=0, remove_reason="no successful deliveries"),
            _webhook(2, "person", version="1.0"),
            _webhook(3, "activity", http_auth_password="older"),
            _webhook(4, "user", http_auth_password="********"),
            _webhook(5, "organization", http_auth_password=None),
            _webhook(6, "*"),
            _webhook(7, "deal", subscription_url="https://elsewhere.example"),
        ]
    )
    async with _reach(fake, "quintant:new", "quintant:one") as (_, keeper):
        kept = await keeper.keep(_URL, None)
    assert kept.detail == "made: deal, person, activity"
    assert {one["id"] for one in fake.webhooks} == {4, 5, 7, 8, 9, 10}
    assert {one["http_auth_password"] for one in fake.webhooks if one["id"] > 7} == {"new"}


def _webhook(number: int, entity: str, **more: object) -> Item:
    return {
        "id": number,
        "event_action": "*",
        "event_object": entity,
        "subscription_url": _URL,
        "version": "2.0",
        "is_active": 1,
        "type": "general",
        "http_auth_user": "quintant",
        "http_auth_password": "one",
        "last_http_status": 200,
        **more,
    }
