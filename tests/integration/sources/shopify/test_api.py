"""Shopify's Admin API over real HTTP against a shop that answers as documented."""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from services.ingest.sources import reach
from services.ingest.sources.adapter import Account, Rate, Record
from services.ingest.sources.api import NOTHING, Reach, SourceApi
from services.ingest.sources.calling import ApiAnswerError, Calling, CredentialsError, TryLaterError
from services.ingest.sources.shopify.adapter import ADAPTER, ShopifySettings
from services.ingest.sources.shopify.api import TOPICS
from services.ingest.wire import candidate_of
from shared.http.client import Requester
from tests.integration.sources.shopify.fake import FakeShop

_NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
_URL = "https://quintant.example/v1/webhooks/shop"


@dataclass(slots=True)
class _Clock:
    seconds: float = 0

    def now(self) -> datetime:
        return _NOON + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds


@dataclass(frozen=True, slots=True)
class _Stage:
    fake: FakeShop
    clock: _Clock
    calling: Calling
    url: str

    def account(self, **settings: Any) -> Account:
        said = {"shop": "a.myshopify.com", "api_url": self.url, "access_token": "shpat_1", **settings}
        return Account("shop", ("s1",), msgspec.convert(said, ShopifySettings))

    def reach(self, **settings: Any) -> Reach:
        return reach(ADAPTER, self.account(**settings), self.calling)

    def api(self, **settings: Any) -> SourceApi:
        found = self.reach(**settings).api
        assert found is not None
        return found

    def said(self, records: Sequence[Record]) -> list[tuple[str, dict[str, Any]]]:
        events = [event for record in records for event in ADAPTER.read(record, self.account())]
        return [(candidate_of(event).entity, json.loads(event.data)) for event in events]


@pytest.fixture
async def stage() -> AsyncIterator[_Stage]:
    fake, clock = FakeShop(), _Clock()
    async with fake.serving() as url, Requester() as requester:
        yield _Stage(fake, clock, Calling(requester, clock, Rate(1_000_000, 1)), url)


def _order(number: int, minute: int, **said: Any) -> dict[str, Any]:
    changed = f"2026-11-24T10:{minute:02}:00+00:00"
    item = {"id": number * 10, "product_id": 7, "quantity": 1, "price": "10.00", "tax_lines": []}
    return {"id": number, "created_at": changed, "updated_at": changed, "currency": "USD", "test": False,
            "financial_status": "pending", "line_items": [item], **said}  # fmt: skip


async def _changed(api: SourceApi, kind: str, since: datetime, until: datetime) -> list[Record]:
    found: list[Record] = []
    page: str | None = None
    while True:
        changed = await api.changed(kind, since, until, page)
        found += changed.records
        page = changed.next_page
        if page is None:
            return found


async def test_without_credentials_there_is_nothing(stage: _Stage) -> None:
    assert stage.reach(access_token=None) is NOTHING
    assert stage.reach(shop=None) is NOTHING


async def test_what_changed_comes_page_by_page_closed_orders_too(stage: _Stage) -> None:
    stage.fake.objects["orders"] = [_order(n, n, closed=n == 3) for n in range(1, 9)]
    stage.fake.largest_page = 2
    since = datetime(2026, 11, 24, 10, 2, tzinfo=UTC)
    found = await _changed(stage.api(), "orders", since, since + timedelta(minutes=4))
    assert [record.id for record in found] == ["2", "3", "4", "5", "6"]
    assert len(stage.fake.calls) == 3
    assert [data["status"] for _, data in stage.said(found)] == ["confirmed"] * 5


async def test_a_link_to_elsewhere_is_not_followed(stage: _Stage) -> None:
    stage.fake.objects["customers"] = [{"id": n, "updated_at": f"2026-11-24T10:0{n}:00Z"} for n in (1, 2)]
    stage.fake.largest_page, stage.fake.link_host = 1, "http://192.0.2.1"
    found = await _changed(stage.api(), "customers", _NOON - timedelta(hours=3), _NOON)
    assert [record.id for record in found] == ["1", "2"]


async def test_a_paid_order_is_read_with_its_transactions_in_shop_currency(stage: _Stage) -> None:
    sale = {"id": 77, "order_id": 1, "kind": "sale", "gateway": "shopify_payments", "status": "success",
            "amount": "10.00", "currency": "USD", "processed_at": "2026-11-24T10:01:00Z",
            "seen": {"amount": "9.20", "currency": "EUR"}}  # fmt: skip
    stage.fake.objects["orders"] = [_order(1, 1, financial_status="paid"), _order(2, 2)]
    stage.fake.transactions["1"] = [sale]
    found = await stage.api().read("orders", ["1", "2"])
    payments = [data for entity, data in stage.said(found) if entity == "payment"]
    assert [payment["amount"] for payment in payments] == [{"amount": "10", "currency": "USD"}]
    assert len(stage.fake.calls) == 2
    without = await stage.api(payments=False).read("orders", ["1", "2"])
    assert b"transactions" not in without[0].body


async def test_what_is_not_listed_is_gone_only_if_its_deletion_was_told_of(stage: _Stage) -> None:
    stage.fake.objects["customers"] = [{"id": 1, "updated_at": "2026-11-24T10:00:00Z", "first_name": "Ada"}]
    found = await stage.api().read("customers", ["1", "2"])
    assert {record.id: (record.gone, bool(record.body)) for record in found} == {
        "1": (False, True),
        "2": (False, False),
    }
    assert stage.said([record for record in found if record.id == "2"]) == []
    told = await stage.api().read("deletions", ["1", "2"])
    assert {record.id: record.gone for record in told} == {"1": False, "2": True}
    assert [(entity, data["ended"]) for entity, data in stage.said(told)] == [
        ("order", True),
        ("customer", True),
        ("product", True),
    ]
    assert (await stage.api().changed("deletions", _NOON, _NOON, None)).records == []


async def test_a_full_bucket_is_left_to_leak(stage: _Stage) -> None:
    stage.fake.busy = 1
    with pytest.raises(TryLaterError) as refused:
        await stage.api().read("orders", ["1"])
    assert refused.value.wait == timedelta(seconds=2)
    stage.clock.seconds += 3
    assert [record.body for record in await stage.api().read("orders", ["1"])] == [b""]


async def test_a_token_is_fetched_and_fetched_again_when_it_has_expired(stage: _Stage) -> None:
    stage.fake.token, stage.fake.tokens = "other", ["shpat_2", "shpat_3"]
    api = stage.api(access_token=None, client_id="id-1")
    assert await api.stages() == []
    stage.fake.token = "expired early"
    assert await api.stages() == []
    assert stage.fake.token == "shpat_3"
    assert len(stage.fake.calls) == 3


async def test_wrong_credentials_are_for_a_person(stage: _Stage) -> None:
    for settings in ({"access_token": "wrong-canary"}, {"access_token": None, "client_id": "wrong-canary"}):
        with pytest.raises(CredentialsError) as refused:
            await stage.api(**settings).stages()
        assert "canary" not in str(refused.value)


async def test_a_version_that_is_gone_is_an_answer_nobody_expects(stage: _Stage) -> None:
    with pytest.raises(ApiAnswerError):
        await stage.api(api_version="2019-04").stages()


async def test_subscriptions_are_made_and_made_again(stage: _Stage) -> None:
    keeper = stage.reach().keeper
    assert keeper is not None
    made = await keeper.keep(_URL, None)
    assert made.expires_at is None
    assert made.detail.startswith("made: orders/create")
    assert sorted(one["topic"] for one in stage.fake.webhooks) == sorted(TOPICS)
    again = await keeper.keep(_URL, made)
    assert again.id == made.id
    assert len(stage.fake.webhooks) == len(TOPICS)
    stage.fake.webhooks = [one for one in stage.fake.webhooks if one["topic"] != "orders/updated"]
    mended = await keeper.keep(_URL, again)
    assert mended.detail == "made again: orders/updated"
    assert len(stage.fake.webhooks) == len(TOPICS)


async def test_what_the_app_may_not_hear_is_said(stage: _Stage) -> None:
    stage.fake.without_scope = ("customers/",)
    keeper = stage.reach().keeper
    assert keeper is not None
    kept = await keeper.keep(_URL, None)
    assert "not allowed (scopes of the app): customers/create, customers/update, customers/delete" in kept.detail
    stage.fake.without_scope, stage.fake.webhooks = ("",), []
    with pytest.raises(CredentialsError):
        await keeper.keep(_URL, kept)
