"""Odoo's API over real HTTP against a fake that answers as documented, over both of its protocols."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from services.ingest.sources import reach
from services.ingest.sources.adapter import Account, Rate, Record
from services.ingest.sources.api import NOTHING, SourceApi
from services.ingest.sources.calling import ApiAnswerError, Calling, CredentialsError, TryLaterError
from services.ingest.sources.odoo.adapter import ADAPTER, OdooSettings
from services.ingest.wire import candidate_of
from shared.http.client import Requester
from tests.integration.sources.odoo.fake import FakeOdoo, Row

_NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
_TEN = _NOON - timedelta(hours=2)


@dataclass(slots=True)
class _Clock:
    seconds: float = 0

    def now(self) -> datetime:
        return _NOON + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds


@dataclass(frozen=True, slots=True)
class _Stage:
    fake: FakeOdoo
    clock: _Clock
    calling: Calling
    url: str
    protocol: str

    def account(self, **settings: Any) -> Account:
        said = {"api_url": f"{self.url}/", "database": "acme", "login": "quintant", "api_key": "key-1"}
        return Account("acme", ("s1",), msgspec.convert(said | {"protocol": self.protocol} | settings, OdooSettings))

    def api(self, **settings: Any) -> SourceApi:
        found = reach(ADAPTER, self.account(**settings), self.calling).api
        assert found is not None
        return found

    def said(self, record: Record) -> list[dict[str, Any]]:
        found = ADAPTER.read(record, self.account())
        return [msgspec.json.decode(candidate_of(event).public) for event in found]


@pytest.fixture(params=["jsonrpc", "json-2"])
async def stage(request: pytest.FixtureRequest) -> AsyncIterator[_Stage]:
    fake, clock = FakeOdoo(), _Clock()
    async with fake.serving() as url, Requester() as requester:
        yield _Stage(fake, clock, Calling(requester, clock, Rate(1_000_000, 1)), url, request.param)


def _lead(number: int, minute: int, **fields: Any) -> Row:
    return {"id": number, "name": f"Deal {number}", "type": "opportunity", "active": True, "probability": 20.0,
            "expected_revenue": number * 1000.5, "company_currency": [1, "EUR"], "stage_id": [2, "Qualified"],
            "partner_id": [10, "Acme, Erika"], "write_date": f"2026-11-24 10:{minute:02}:00", **fields}  # fmt: skip


_PARTNERS: list[Row] = [
    {"id": 9, "name": "Acme", "commercial_partner_id": [9, "Acme"]},
    {"id": 10, "name": "Erika", "commercial_partner_id": [9, "Acme"], "active": False},
]


async def _all_changed(api: SourceApi, kind: str, since: datetime, until: datetime) -> list[Record]:
    found: list[Record] = []
    page: str | None = None
    while True:
        changed = await api.changed(kind, since, until, page)
        found += changed.records
        page = changed.next_page
        if page is None:
            return found


async def test_without_a_key_there_is_nothing(stage: _Stage) -> None:
    assert reach(ADAPTER, stage.account(api_key=None), stage.calling) is NOTHING


async def test_what_changed_comes_page_by_page_archived_or_not(stage: _Stage) -> None:
    lost = {"active": False, "probability": 0.0}
    stage.fake.rows = {"crm.lead": [_lead(n, n % 60, **(lost if n == 7 else {})) for n in range(1, 251)]}
    stage.fake.rows["res.partner"] = _PARTNERS
    found = await _all_changed(stage.api(), "crm.lead", _TEN, _TEN + timedelta(minutes=58))
    assert [int(record.id) for record in found] == [n for n in range(1, 251) if n % 60 != 59]
    (seventh,) = stage.said(found[6])
    assert (seventh["stage"], seventh["ended"], seventh["customer_id"]) == ("lost", False, "acme:9")
    assert seventh["amount"] == {"amount": "7003.5", "currency": "EUR"}
    assert stage.fake.calls.count(("crm.lead", "fields_get")) == 1


async def test_an_order_changes_with_its_lines(stage: _Stage) -> None:
    order = {"id": 20, "state": "sale", "date_order": "2026-11-20 08:00:00", "partner_id": [9, "Acme"],
             "currency_id": [1, "EUR"], "write_date": "2026-11-20 08:00:00"}  # fmt: skip
    line = {"id": 71, "order_id": [20, "S20"], "display_type": False, "product_id": [5, "W"], "product_uom_qty": 4.0,
            "price_subtotal": 225.1, "price_tax": 42.77, "write_date": "2026-11-24 10:30:00"}  # fmt: skip
    stage.fake.rows = {"sale.order": [order], "sale.order.line": [line], "res.partner": _PARTNERS}
    (record,) = await _all_changed(stage.api(), "sale.order", _TEN, _NOON)
    (event,) = ADAPTER.read(record, stage.account())
    assert event.time == _TEN + timedelta(minutes=30)
    (said,) = stage.said(record)
    assert said["lines"]["acme:71"]["net"] == {"amount": "225.1", "currency": "EUR"}
    assert await _all_changed(stage.api(), "sale.order", _NOON, _NOON + timedelta(hours=1)) == []


async def test_a_payment_tells_what_it_settles(stage: _Stage) -> None:
    payment = {"id": 40, "payment_type": "inbound", "partner_type": "customer", "state": "paid", "amount": 150.0,
               "currency_id": [1, "EUR"], "date": "2026-11-24", "partner_id": [9, "Acme"],
               "write_date": "2026-11-24 10:00:00"}  # fmt: skip
    lines: list[Row] = [
        {"id": 1, "move_id": [30, "INV/30"], "move_type": "out_invoice", "payment_id": False},
        {"id": 2, "move_id": [90, "PAY/90"], "move_type": "entry", "payment_id": [40, "PAY"]},
    ]
    matches: list[Row] = [
        {"id": n, "debit_move_id": [1, "x"], "credit_move_id": [2, "y"], "credit_amount_currency": 60.05}
        for n in (1, 2)
    ]
    stage.fake.rows = {"account.payment": [payment], "account.move.line": lines, "res.partner": _PARTNERS}
    stage.fake.rows["account.partial.reconcile"] = matches
    (record,) = await stage.api().read("account.payment", ["40"])
    (said,) = stage.said(record)
    assert said["allocations"] == {"acme:30": {"amount": "120.1", "currency": "EUR"}}


async def test_what_was_deleted_is_gone(stage: _Stage) -> None:
    stage.fake.rows = {"crm.lead": [_lead(1, 1)], "res.partner": _PARTNERS}
    found = {record.id: record for record in await stage.api().read("crm.lead", ["1", "2", "no-number"])}
    assert {identifier: record.gone for identifier, record in found.items()} == {
        "1": False,
        "2": True,
        "no-number": True,
    }
    assert [said["ended"] for said in stage.said(found["2"])] == [True, True]


async def test_an_application_that_is_not_installed_has_no_records(stage: _Stage) -> None:
    api = stage.api()
    assert await _all_changed(api, "crm.lead", _TEN, _NOON) == []
    assert await api.stages() == []
    stage.fake.rows = {"crm.lead": [_lead(1, 1)], "res.partner": _PARTNERS}
    assert [one.id for one in await _all_changed(api, "crm.lead", _TEN, _NOON)] == ["1"], "it was installed meanwhile"


async def test_stages_in_their_order(stage: _Stage) -> None:
    stage.fake.rows["crm.stage"] = [
        {"id": 1, "name": "New", "is_won": False, "team_id": False, "sequence": 1},
        {"id": 4, "name": "Won", "is_won": True, "team_id": [2, "East"], "sequence": 70},
    ]
    assert [(found.pipeline, found.label, found.outcome) for found in await stage.api().stages()] == [
        ("", "1", ""),
        ("2", "4", "won"),
    ]


async def test_a_wrong_key_is_for_a_person(stage: _Stage) -> None:
    stage.fake.rows["crm.stage"] = [{"id": 1, "name": "New", "is_won": False, "team_id": False, "sequence": 1}]
    with pytest.raises(CredentialsError) as refused:
        await stage.api(api_key="wrong-canary").stages()
    assert "canary" not in str(refused.value)
    with pytest.raises(CredentialsError):
        await stage.api(database="other").stages()


async def test_failures_inside_http_200_are_told_apart(stage: _Stage) -> None:
    if stage.protocol != "jsonrpc":
        return
    stage.fake.rows["crm.stage"] = [{"id": 1, "name": "New", "is_won": False, "team_id": False, "sequence": 1}]
    api = stage.api()
    stage.fake.failing = ["psycopg2.errors.SerializationFailure", "odoo.exceptions.AccessError", "builtins.ValueError"]
    with pytest.raises(TryLaterError):
        await api.stages()
    stage.clock.seconds += 60
    with pytest.raises(CredentialsError, match="AccessError"):
        await api.stages()
    with pytest.raises(ApiAnswerError, match="ValueError"):
        await api.stages()
    assert len(await api.stages()) == 1
