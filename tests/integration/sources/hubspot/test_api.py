"""Batches, the search, archived objects, owners, stages and subscriptions of HubSpot, over real HTTP."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from services.ingest.sources.adapter import Account, Rate, Record
from services.ingest.sources.api import NOTHING, Reach, SourceApi
from services.ingest.sources.calling import Calling, CredentialsError, FixedHeaders, TryLaterError
from services.ingest.sources.hubspot.adapter import ADAPTER, HubspotSettings
from services.ingest.sources.hubspot.api import HubspotApi, connect
from services.ingest.sources.hubspot.keeper import topics
from services.ingest.wire import candidate_of
from shared.http.client import Requester
from shared.kernel.clock import SystemClock
from tests.integration.sources.hubspot.fake import FakeHubspot, Item

_SINCE = datetime(2026, 11, 24, 15, tzinfo=UTC)
_UNTIL = _SINCE + timedelta(hours=1)
_FAST = Rate(1_000_000, 1)
_URL = "https://quintant.example/v1/webhooks/hubspot"


def _account(address: str, **settings: Any) -> Account:
    return Account("hs", ("s1",), msgspec.convert({"api_url": address, **settings}, HubspotSettings))


@asynccontextmanager
async def _reach(fake: FakeHubspot, **settings: Any) -> AsyncIterator[Reach]:
    async with fake.serving() as address, Requester() as requester:
        yield connect(_account(address, **settings), Calling(requester, SystemClock(), _FAST))


@asynccontextmanager
async def _api(fake: FakeHubspot, **settings: Any) -> AsyncIterator[SourceApi]:
    async with _reach(fake, **(settings or {"access_token": "token-1"})) as found:
        assert found.api is not None
        yield found.api


def _deal(number: int, at: datetime, **properties: object) -> Item:
    changed = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    said = {"dealname": f"Deal {number}", "dealstage": "contractsent", "amount": "10.50", "deal_currency_code": "EUR"}
    own = {"hs_object_id": str(number), "hs_lastmodifieddate": changed, "hs_merged_object_ids": None}
    return {
        "id": str(number),
        "properties": {**said, **own, **properties},
        "propertiesWithHistory": {"dealstage": [{"value": "contractsent", "timestamp": "2026-11-20T00:00:00Z"}]},
        "createdAt": changed,
        "updatedAt": changed,
        "archived": False,
    }


def _archived(number: int, at: datetime) -> Item:
    return {**_deal(number, _SINCE), "archived": True, "archivedAt": at.isoformat()}


async def _all_changed(api: SourceApi, kind: str) -> list[Record]:
    records: list[Record] = []
    page: str | None = None
    while True:
        changed = await api.changed(kind, _SINCE, _UNTIL, page)
        records += changed.records
        page = changed.next_page
        if page is None:
            return records


async def test_without_credentials_nothing_is_reached() -> None:
    async with Requester() as requester:
        calling = Calling(requester, SystemClock(), _FAST)
        assert connect(_account(""), calling) == NOTHING
        assert connect(_account("", client_id="c", app_id="1"), calling) == NOTHING


async def test_read_with_history_and_companies() -> None:
    deals = [_deal(1, _SINCE), _archived(2, _SINCE), _deal(9, _SINCE, hs_merged_object_ids="3;4")]
    primary = [{"category": "HUBSPOT_DEFINED", "typeId": 5, "label": "Primary"}]
    fake = FakeHubspot(objects={"deals": deals}, companies={"1": [{"toObjectId": 9001, "associationTypes": primary}]})
    async with _api(fake) as api:
        found = {record.id: record for record in await api.read("deals", ["1", "2", "3", "5"])}
    assert {number: record.gone for number, record in found.items()} == {
        "1": False, "2": True, "3": True, "5": True, "9": False,
    }  # fmt: skip
    account = _account("")
    candidates = [candidate_of(event) for event in ADAPTER.read(found["1"], account)]
    stage, whole = [json.loads(one.public) for one in candidates]
    assert stage["stage"] == "contractsent"
    assert candidates[0].occurred_at == datetime(2026, 11, 20, tzinfo=UTC)
    assert (whole["customer_id"], whole["amount"]["amount"]) == ("hs:9001", "10.5")
    ended = [one.subject for one in map(candidate_of, ADAPTER.read(found["9"], account)) if b"true" in one.public]
    assert ended == ["hs:3", "hs:4"]


async def test_the_search_goes_on_beyond_its_limit() -> None:
    """Also where more than a whole query changed within one millisecond."""
    crowd = _SINCE + timedelta(minutes=5)
    deals = [_deal(number, _SINCE + timedelta(seconds=number)) for number in range(250)]
    deals += [_deal(1000 + number, crowd) for number in range(450)]
    deals += [_deal(2000, _UNTIL - timedelta(seconds=1)), _deal(3000, _UNTIL + timedelta(seconds=1))]
    async with FakeHubspot(objects={"deals": deals}, most=200).serving() as address, Requester() as requester:
        bearer = FixedHeaders({"authorization": "Bearer token-1"})
        api = HubspotApi(_account(address), Calling(requester, SystemClock(), _FAST), bearer, most_results=200)
        found = {record.id for record in await _all_changed(api, "deals")}
    assert found == {deal["id"] for deal in deals} - {"3000"}


async def test_archived_objects_of_the_time_come_after_the_others() -> None:
    deals = [
        _deal(1, _SINCE),
        *(_archived(10 + number, _SINCE + timedelta(minutes=25 * number)) for number in range(4)),
    ]
    async with _api(FakeHubspot(objects={"deals": deals})) as api:
        records = await _all_changed(api, "deals")
    assert [(record.id, record.gone) for record in records] == [("1", False), ("10", True), ("11", True), ("12", True)]


async def test_companies_are_polled_without_associations() -> None:
    company = {**_deal(5, _SINCE), "properties": {**_deal(5, _SINCE)["properties"], "name": "Acme"}}
    fake = FakeHubspot(objects={"companies": [company]})
    async with _api(fake) as api:
        (record,) = await _all_changed(api, "companies")
    assert b"associations" not in record.body
    assert not any("associations" in path for _, path, _ in fake.calls)


async def test_owners_here_and_gone() -> None:
    owners: list[Item] = [
        {"id": str(number), "email": f"{number}@example.com", "updatedAt": f"2026-11-24T1{4 + number}:30:00Z"}
        for number in range(3)
    ]
    owners.append({"id": "7", "email": "7@example.com", "updatedAt": "2026-11-24T15:40:00Z", "archived": True})
    async with _api(FakeHubspot(owners=owners)) as api:
        assert [record.id for record in await _all_changed(api, "owners")] == ["1", "7"]
        found = {record.id: record for record in await api.read("owners", ["0", "7", "8"])}
    assert {number: record.gone for number, record in found.items()} == {"0": False, "7": False, "8": True}
    said = {number: json.loads(ADAPTER.read(record, _account(""))[0].data) for number, record in found.items()}
    assert {number: one["active"] for number, one in said.items()} == {"0": True, "7": False, "8": False}


async def test_stages_in_their_order_with_their_outcome() -> None:
    stages = [
        {"id": "won", "label": "Closed won", "displayOrder": 2, "metadata": {"isClosed": "true", "probability": "1.0"}},
        {"id": "new", "label": "New", "displayOrder": 0, "metadata": {"isClosed": "false", "probability": "0.2"}},
        {"id": "old", "label": "Old", "displayOrder": 1, "archived": True},
        {"id": "lost", "label": "Lost", "displayOrder": 3, "metadata": {"isClosed": "true", "probability": "0.0"}},
    ]
    fake = FakeHubspot(pipelines=[{"id": "default", "label": "Sales", "displayOrder": 0, "stages": stages}])
    async with _api(fake) as api:
        found = [(one.pipeline, one.label, one.title, one.outcome) for one in await api.stages()]
    assert found == [
        ("default", "new", "New", ""), ("default", "won", "Closed won", "won"), ("default", "lost", "Lost", "lost"),
    ]  # fmt: skip


async def test_failures_are_told_apart() -> None:
    fake = FakeHubspot(objects={"deals": [_deal(1, _SINCE)]}, busy=1)
    async with _api(fake) as api:
        with pytest.raises(TryLaterError) as later:
            await api.read("deals", ["1"])
        assert later.value.wait == timedelta(seconds=3)
    async with _api(fake, access_token="other") as api:
        with pytest.raises(CredentialsError):
            await api.stages()


async def test_oauth_fetches_a_token_and_another_one_when_it_expired() -> None:
    fake = FakeHubspot()
    async with _api(fake, client_id="c1", refresh_token="refresh-1") as api:
        await api.stages()
        await api.stages()
        assert fake.issued == 1
        fake.token = "expired meanwhile"
        await api.stages()
        assert fake.issued == 2
    async with _api(fake, client_id="c1", refresh_token="wrong") as api:
        with pytest.raises(CredentialsError) as refused:
            await api.stages()
    assert "wrong" not in refused.value.detail


async def test_the_keeper_settles_an_app_and_leaves_it_alone_then() -> None:
    paused = {"id": "1", "eventType": "deal.creation", "active": False}
    fake = FakeHubspot(subscriptions=[paused], unknown_property="deal_currency_code")
    async with _reach(fake, app_id="77", developer_key="developer-1") as found:
        assert found.api is None
        assert found.keeper is not None
        kept = await found.keeper.keep(_URL, None)
        again = await found.keeper.keep(_URL, kept)
    assert fake.app == {"targetUrl": _URL, "throttling": {"maxConcurrentRequests": 10}}
    assert (kept.id, kept.expires_at) == ("77", None)
    done = kept.detail.split("; ")
    assert done[:3] == ["set the target URL", "switched on deal.creation", "subscribed to deal.deletion"]
    assert "cannot subscribe to deal.propertyChange:deal_currency_code" in done
    assert len(fake.subscriptions) == len(topics()) - 1
    assert all(one["active"] for one in fake.subscriptions)
    assert again.detail == "cannot subscribe to deal.propertyChange:deal_currency_code"


async def test_the_keeper_takes_a_url_back_and_keeps_the_throttling() -> None:
    fake = FakeHubspot(app={"targetUrl": "https://elsewhere.example", "throttling": {"maxConcurrentRequests": 25}})
    async with _reach(fake, app_id="77", developer_key="developer-1", target_url="https://proxy.example/h") as found:
        assert found.keeper is not None
        await found.keeper.keep(_URL, None)
    assert fake.app == {"targetUrl": "https://proxy.example/h", "throttling": {"maxConcurrentRequests": 25}}
    async with _reach(fake, app_id="77", developer_key="other") as found:
        assert found.keeper is not None
        with pytest.raises(CredentialsError) as refused:
            await found.keeper.keep(_URL, None)
    assert "other" not in refused.value.detail
