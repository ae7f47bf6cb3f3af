"""Stripe's API over real HTTP against an account that answers as documented."""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from services.ingest.sources import reach
from services.ingest.sources.adapter import Account, Rate, Record
from services.ingest.sources.api import NOTHING, Keeper, Reach, SourceApi
from services.ingest.sources.calling import Calling, CredentialsError, TryLaterError
from services.ingest.sources.stripe.adapter import ADAPTER, StripeSettings
from services.ingest.wire import candidate_of
from shared.http.client import Requester
from tests.integration.sources.stripe.fake import FakeStripe

_NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
_URL = "https://quintant.example/v1/webhooks/pay"


@dataclass(slots=True)
class _Clock:
    seconds: float = 0

    def now(self) -> datetime:
        return _NOON + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds


@dataclass(frozen=True, slots=True)
class _Stage:
    fake: FakeStripe
    clock: _Clock
    calling: Calling
    url: str

    def account(self, **settings: Any) -> Account:
        said = {"api_url": f"{self.url}/", "api_key": "rk_1", **settings}
        return Account("pay", ("whsec_1",), msgspec.convert(said, StripeSettings))

    def reach(self, **settings: Any) -> Reach:
        return reach(ADAPTER, self.account(**settings), self.calling)

    def api(self, **settings: Any) -> SourceApi:
        found = self.reach(**settings).api
        assert found is not None
        return found

    def keeper(self) -> Keeper:
        found = self.reach().keeper
        assert found is not None
        return found

    def said(self, records: Sequence[Record]) -> dict[str, dict[str, Any]]:
        events = [event for record in records for event in ADAPTER.read(record, self.account())]
        return {event.subject: json.loads(event.data) for event in events if candidate_of(event)}


@pytest.fixture
async def stage() -> AsyncIterator[_Stage]:
    fake, clock = FakeStripe(), _Clock()
    async with fake.serving() as url, Requester() as requester:
        yield _Stage(fake, clock, Calling(requester, clock, Rate(1_000_000, 1)), url)


def _ago(**past: float) -> int:
    return int((_NOON - timedelta(**past)).timestamp())


def _charge(number: int, created: int, **said: Any) -> dict[str, Any]:
    return {"id": f"ch_{number}", "object": "charge", "status": "succeeded", "captured": True, "amount": number * 100,
            "amount_captured": number * 100, "currency": "eur", "created": created, "livemode": True,
            "payment_intent": f"pi_{number}", "balance_transaction": f"txn_{number}", **said}  # fmt: skip


async def _changed(api: SourceApi, kind: str, since: datetime, until: datetime) -> list[Record]:
    found: list[Record] = []
    page: str | None = None
    while True:
        changed = await api.changed(kind, since, until, page)
        found += changed.records
        page = changed.next_page
        if page is None:
            return found


async def test_without_a_key_there_is_nothing(stage: _Stage) -> None:
    assert stage.reach(api_key=None) is NOTHING


async def test_a_charge_with_all_that_belongs_to_it(stage: _Stage) -> None:
    fake = stage.fake
    fake.objects["charges"] = [_charge(5, _ago(days=3))]
    fake.objects["payment_intents"] = [{"id": "pi_5", "latest_charge": "ch_5"}, {"id": "pi_6", "latest_charge": None}]
    fake.objects["refunds"] = [
        {"id": f"re_{n}", "object": "refund", "charge": "ch_5", "amount": 100, "currency": "eur", "status": "succeeded",
         "created": _ago(hours=n)} for n in (3, 2, 1)
    ]  # fmt: skip
    fake.expanded["ch_5/refunds"] = {"object": "list", "data": fake.objects["refunds"][:1], "has_more": True}
    fake.expanded["txn_5"] = {"object": "balance_transaction", "created": _ago(days=1)}
    fake.objects["invoice_payments"] = [
        {"id": "inpay_1", "status": "paid", "invoice": "in_1", "amount_paid": 500, "currency": "eur",
         "payment": {"type": "payment_intent", "payment_intent": "pi_5"}}
    ]  # fmt: skip
    found = await stage.api().read("charges", ["pi_5", "ch_5", "pi_6", "ch_9"])
    assert [(record.id, record.gone) for record in found] == [
        ("pi_5", False), ("ch_5", False), ("pi_6", True), ("ch_9", True)
    ]  # fmt: skip
    said = stage.said(found)
    assert set(said) == {"pay:pi_5", "pay:re_1", "pay:re_2", "pay:re_3"}
    assert said["pay:pi_5"]["received_on"] == "2026-11-23"
    assert said["pay:pi_5"]["allocations"] == {"pay:in_1": {"amount": "5", "currency": "EUR"}}
    assert stage.fake.versions == {"2025-09-30.clover"}


async def test_what_changed_lately_is_read_off_the_events(stage: _Stage) -> None:
    fake, created = stage.fake, _ago(days=200)
    fake.objects["charges"] = [_charge(n, created) for n in range(1, 6)]
    for n in (1, 2, 2, 3):
        fake.tell("charge.refunded", fake.objects["charges"][n - 1], _ago(hours=3 - n / 10))
    fake.tell("charge.dispute.created", {"id": "dp_1", "object": "dispute", "charge": "ch_5"}, _ago(hours=2))
    paid = {"id": "inpay_1", "object": "invoice_payment", "payment": {"payment_intent": "pi_4"}}
    fake.tell("invoice_payment.paid", paid, _ago(hours=2))
    fake.objects["payment_intents"] = [{"id": f"pi_{n}", "latest_charge": f"ch_{n}"} for n in range(1, 6)]
    fake.tell("charge.refunded", fake.objects["charges"][4], _ago(minutes=1))
    fake.largest_page = 2
    found = await _changed(stage.api(), "charges", _NOON - timedelta(hours=5), _NOON - timedelta(hours=1))
    assert {record.id for record in found} == {"pi_1", "pi_2", "pi_3", "pi_4"}
    assert not any("/v1/charges?" in call for call in fake.calls)


async def test_what_is_older_than_the_events_is_read_off_the_lists(stage: _Stage) -> None:
    fake = stage.fake
    fake.objects["customers"] = [
        {"id": f"cus_{n}", "object": "customer", "created": _ago(days=n), "livemode": True, "name": "Ada"}
        for n in (90, 60, 40, 2)
    ]
    fake.tell("customer.updated", {"id": "cus_90", "object": "customer"}, _ago(days=1))
    fake.tell("customer.subscription.created", {"id": "sub_1", "object": "subscription"}, _ago(days=1))
    fake.largest_page = 1
    found = await _changed(stage.api(), "customers", _NOON - timedelta(days=70), _NOON)
    assert sorted({record.id for record in found}) == ["cus_2", "cus_40", "cus_60", "cus_90"]
    before = await _changed(stage.api(), "customers", _NOON - timedelta(days=70), _NOON - timedelta(days=50))
    assert [record.id for record in before] == ["cus_60"]


async def test_a_deleted_customer_is_gone_and_what_is_not_found_is_nothing(stage: _Stage) -> None:
    stage.fake.objects["customers"] = [{"id": "cus_1", "object": "customer", "created": 1, "livemode": True}]
    stage.fake.deleted = {"cus_1", "prod_1"}
    found = [record for kind, wanted in (("customers", "cus_1"), ("products", "prod_1"), ("disputes", "dp_1"))
             for record in await stage.api().read(kind, [wanted])]  # fmt: skip
    assert [record.gone for record in found] == [True, True, True]
    assert {subject: data["ended"] for subject, data in stage.said(found).items()} == {"pay:cus_1": True}


async def test_all_lines_of_a_long_invoice(stage: _Stage) -> None:
    lines = [{"id": f"il_{n}", "amount": 100, "quantity": 1} for n in range(250)]
    stage.fake.objects["in_1/lines"] = lines
    stage.fake.objects["invoices"] = [
        {"id": "in_1", "object": "invoice", "status": "open", "currency": "eur", "total": 25_000, "livemode": True,
         "total_excluding_tax": 25_000, "created": 1, "lines": {"data": lines[:10], "has_more": True}}
    ]  # fmt: skip
    said = stage.said(await stage.api().read("invoices", ["in_1"]))
    assert len(said["pay:in_1"]["lines"]) == 250


async def test_a_partial_dispute_is_known_by_its_charge(stage: _Stage) -> None:
    taken = {"amount": -200, "created": _ago(days=1), "currency": "eur"}
    stage.fake.objects["disputes"] = [
        {"id": "dp_1", "object": "dispute", "charge": "ch_5", "payment_intent": "pi_5", "amount": 200,
         "currency": "eur", "status": "lost", "balance_transactions": [taken], "livemode": True}
    ]  # fmt: skip
    stage.fake.expanded["ch_5"] = _charge(5, _ago(days=3), customer="cus_1")
    said = stage.said(await stage.api().read("disputes", ["dp_1"]))
    assert said["pay:pi_5"]["reversed_on"] is None
    assert (said["pay:dp_1"]["kind"], said["pay:dp_1"]["amount"]["amount"]) == ("refund", "2")
    assert said["pay:dp_1"]["customer_id"] == "pay:cus_1"


async def test_a_busy_account_is_left_alone_as_long_as_it_asks(stage: _Stage) -> None:
    stage.fake.busy = 1
    with pytest.raises(TryLaterError) as refused:
        await stage.api().read("customers", ["cus_1"])
    assert refused.value.wait == timedelta(seconds=3)
    stage.clock.seconds += 4
    assert [record.gone for record in await stage.api().read("customers", ["cus_1"])] == [True]


async def test_a_wrong_key_is_for_a_person(stage: _Stage) -> None:
    assert await stage.api().stages() == []
    with pytest.raises(CredentialsError) as refused:
        await stage.api(api_key="wrong-canary").stages()
    assert "canary" not in str(refused.value)


async def test_an_endpoint_that_stripe_disabled_is_switched_on(stage: _Stage) -> None:
    keeper = stage.keeper()
    missing = await keeper.keep(_URL, None)
    assert (missing.id, missing.detail.startswith("Stripe has no endpoint")) == ("", True)
    endpoint = {"id": "we_1", "url": _URL, "status": "disabled", "enabled_events": ["*"]}
    stage.fake.objects["webhook_endpoints"] = [{"id": "we_0", "url": "https://elsewhere.example"}, endpoint]
    mended = await keeper.keep(_URL, None)
    assert (mended.id, mended.detail) == ("we_1", "was disabled by Stripe; switched on again")
    again = await keeper.keep(_URL, mended)
    assert (again.id, endpoint["status"]) == ("we_1", "enabled")
    assert len([call for call in stage.fake.calls if call.startswith("POST")]) == 1
    assert again.detail == "all events"
    endpoint["enabled_events"] = ["charge.succeeded"]
    assert "payment_intent.succeeded" in (await keeper.keep(_URL, again)).detail
    stage.fake.no_webhooks = True
    assert (await keeper.keep(_URL, again)).detail.startswith("not looked at")
