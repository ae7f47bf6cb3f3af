"""Fxiaoke's API over real HTTP against a fake that answers as documented."""

import asyncio
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
from services.ingest.sources.fxiaoke.adapter import ADAPTER
from services.ingest.sources.fxiaoke.settings import FxiaokeSettings
from services.ingest.wire import candidate_of
from shared.http.client import Requester
from tests.integration.sources.fxiaoke.fake import FakeFxiaoke

_NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
DEAL, ORDER = "NewOpportunityObj", "SalesOrderObj"


@dataclass(slots=True)
class _Clock:
    seconds: float = 0

    def now(self) -> datetime:
        return _NOON + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds


@dataclass(frozen=True, slots=True)
class _Stage:
    fake: FakeFxiaoke
    clock: _Clock
    calling: Calling
    url: str

    def account(self, **settings: Any) -> Account:
        app = {"app_id": "FSAID_1", "app_secret": "secret-1", "permanent_code": "code-1", "user": "FSUID_1"}
        return Account("acme", (), msgspec.convert({"api_url": f"{self.url}/", **app, **settings}, FxiaokeSettings))

    def api(self, **settings: Any) -> SourceApi:
        found = reach(ADAPTER, self.account(**settings), self.calling).api
        assert found is not None
        return found


@pytest.fixture
async def stage() -> AsyncIterator[_Stage]:
    fake, clock = FakeFxiaoke(), _Clock()
    async with fake.serving() as url, Requester() as requester:
        yield _Stage(fake, clock, Calling(requester, clock, Rate(1_000_000, 1)), url)


def _object(number: int, minute: float, **fields: Any) -> dict[str, Any]:
    changed = int((_NOON - timedelta(hours=2) + timedelta(minutes=minute)).timestamp() * 1000)
    return {"_id": f"{number:024x}", "name": f"Deal {number}", "amount": f"{number}.00", "sales_stage": "1",
            "is_deleted": False, "life_status": "normal", "last_modified_time": changed, **fields}  # fmt: skip


def _hold(stage: _Stage, kind: str, *objects: dict[str, Any]) -> None:
    stage.fake.objects.setdefault(kind, {}).update({one["_id"]: one for one in objects})


async def _all_changed(api: SourceApi, kind: str, since: datetime, until: datetime) -> list[list[Record]]:
    pages: list[list[Record]] = []
    page: str | None = None
    while True:
        changed = await api.changed(kind, since, until, page)
        pages.append(list(changed.records))
        page = changed.next_page
        if page is None:
            return pages


@pytest.mark.parametrize("missing", ["app_id", "app_secret", "permanent_code", "user"])
async def test_without_credentials_there_is_nothing(stage: _Stage, missing: str) -> None:
    assert reach(ADAPTER, stage.account(**{missing: ""}), stage.calling) is NOTHING


async def test_what_changed_comes_page_by_page_within_the_limits(stage: _Stage) -> None:
    _hold(stage, DEAL, *(_object(n, 1) for n in range(1, 251)), _object(900, 0), _object(901, 2))
    since = _NOON - timedelta(hours=2) + timedelta(minutes=1)
    pages = await _all_changed(stage.api(), DEAL, since, since + timedelta(minutes=1))
    assert [len(page) for page in pages] == [100, 100, 50]
    assert [record.id for page in pages for record in page] == [f"{n:024x}" for n in range(1, 251)]
    assert all(data["search_query_info"]["offset"] == 0 for _, data in stage.fake.calls)


async def test_a_change_between_two_pages_loses_nothing(stage: _Stage) -> None:
    _hold(stage, DEAL, *(_object(n, 1) for n in range(1, 151)))
    api, since, until = stage.api(), _NOON - timedelta(hours=3), _NOON - timedelta(hours=1)
    first = await api.changed(DEAL, since, until, None)
    _hold(stage, DEAL, _object(7, 90))
    second = await api.changed(DEAL, since, until, first.next_page)
    assert {record.id for record in [*first.records, *second.records]} == {f"{n:024x}" for n in range(1, 151)}


async def test_the_bounds_are_widened_to_milliseconds(stage: _Stage) -> None:
    _hold(stage, DEAL, _object(1, 1))
    at = _NOON - timedelta(hours=2) + timedelta(minutes=1)
    micro = timedelta(microseconds=1)
    api = stage.api()
    assert (await api.changed(DEAL, at + micro, at + timedelta(minutes=1), None)).records
    assert (await api.changed(DEAL, at - timedelta(minutes=1), at + micro, None)).records
    assert not (await api.changed(DEAL, at - timedelta(minutes=1), at, None)).records


async def test_orders_come_with_their_lines(stage: _Stage) -> None:
    line = {"id": "l1", "containerDocument": {"product_id": "p1", "quantity": "2.00", "subtotal": "10.00"}}
    details = {"SalesOrderProductObj": [line]}
    _hold(stage, ORDER, _object(1, 1, order_amount="10.00", details=details))
    (record,) = (await stage.api().changed(ORDER, _NOON - timedelta(hours=3), _NOON, None)).records
    (event,) = ADAPTER.read(record, stage.account())
    said = msgspec.json.decode(candidate_of(event).public)
    assert said["lines"]["l1"]["net"] == {"amount": "10", "currency": "CNY"}
    assert said["lines"]["l1"]["quantity"] == "2"


async def test_an_object_that_is_gone_is_told_from_one_that_fails(stage: _Stage) -> None:
    _hold(stage, DEAL, _object(1, 1))
    api = stage.api()
    (gone,) = await api.read(DEAL, ["f" * 24])
    assert (gone.gone, gone.body) == (True, b"")
    (event,) = ADAPTER.read(gone, stage.account())
    assert (event.subject, event.time) == (f"acme:{'f' * 24}", _NOON)
    stage.fake.errors = [320001]
    with pytest.raises(ApiAnswerError, match="320001"):
        await api.read(DEAL, [f"{1:024x}"])
    (found,) = await api.read(DEAL, [f"{1:024x}"])
    assert not found.gone


async def test_what_is_not_polled_is_not_asked_for(stage: _Stage) -> None:
    _hold(stage, ORDER, _object(1, 1))
    api = stage.api(polled=[DEAL])
    assert (await api.changed(ORDER, _NOON - timedelta(hours=3), _NOON, None)).records == ()
    assert stage.fake.calls == []


async def test_fields_of_the_enterprises_own(stage: _Stage) -> None:
    _hold(stage, DEAL, _object(1, 1, amount__c="7.50"))
    names = {DEAL: {"amount": "amount__c"}}
    (record,) = await stage.api().read(DEAL, [f"{1:024x}"])
    (event,) = ADAPTER.read(record, stage.account(fields=names))
    assert msgspec.json.decode(event.data)["amount"] == {"amount": "7.5", "currency": "CNY"}


async def test_one_token_for_all_until_it_expires(stage: _Stage) -> None:
    _hold(stage, DEAL, *(_object(n, 1) for n in range(1, 6)))
    api = stage.api()
    await asyncio.gather(*(api.read(DEAL, [f"{n:024x}"]) for n in range(1, 6)))
    assert stage.fake.tokens == ["token-1"]
    stage.clock.seconds += 7200 - 60
    await api.read(DEAL, [f"{1:024x}"])
    assert stage.fake.tokens == ["token-1", "token-2"]


async def test_a_stale_token_is_renewed_once(stage: _Stage) -> None:
    _hold(stage, DEAL, _object(1, 1))
    api = stage.api()
    await api.read(DEAL, [f"{1:024x}"])
    stage.fake.tokens.append("given to somebody else")
    (found,) = await api.read(DEAL, [f"{1:024x}"])
    assert not found.gone
    stage.fake.stale = True
    with pytest.raises(CredentialsError):
        await api.read(DEAL, [f"{1:024x}"])


async def test_a_mobile_number_stands_for_its_employee(stage: _Stage) -> None:
    _hold(stage, DEAL, _object(1, 1))
    (found,) = await stage.api(user="13800000000").read(DEAL, [f"{1:024x}"])
    assert not found.gone
    with pytest.raises(CredentialsError, match="mobile"):
        await stage.api(user="13900000000").stages()


@pytest.mark.parametrize("code", [-1, 14001, 30002, 30004, 50009])
async def test_busy_inside_200_is_tried_later(stage: _Stage, code: int) -> None:
    stage.fake.errors = [code]
    with pytest.raises(TryLaterError) as refused:
        await stage.api().stages()
    assert refused.value.wait >= timedelta(seconds=10)


async def test_busy_is_left_alone_as_long_as_it_asks(stage: _Stage) -> None:
    stage.fake.refusals = 1
    with pytest.raises(TryLaterError) as refused:
        await stage.api().stages()
    assert refused.value.wait == timedelta(seconds=7)


@pytest.mark.parametrize("code", [20021, 30003, 15003, 20014])
async def test_a_missing_permission_is_for_a_person(stage: _Stage, code: int) -> None:
    stage.fake.errors = [code]
    with pytest.raises(CredentialsError) as refused:
        await stage.api().stages()
    assert "secret-1" not in str(refused.value)


async def test_wrong_credentials_are_for_a_person(stage: _Stage) -> None:
    with pytest.raises(CredentialsError) as refused:
        await stage.api(app_secret="wrong-canary").stages()
    assert "canary" not in str(refused.value)
    with pytest.raises(CredentialsError):
        await stage.api(user="FSUID_2").stages()


async def test_stages_in_their_order(stage: _Stage) -> None:
    found = [(one.label, one.title, one.outcome) for one in await stage.api().stages()]
    assert found == [("1", "验证客户", ""), ("5", "赢单", "won"), ("6", "输单", "lost")]
    with pytest.raises(ApiAnswerError, match="stage__c"):
        await stage.api(fields={DEAL: {"stage": "stage__c"}}).stages()
