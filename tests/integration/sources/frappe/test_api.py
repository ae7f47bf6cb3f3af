"""Frappe's API over real HTTP against a fake that answers as documented."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from services.ingest.sources import reach
from services.ingest.sources.adapter import Account, Rate, Record
from services.ingest.sources.api import NOTHING, SourceApi
from services.ingest.sources.calling import Calling, CredentialsError, TryLaterError
from services.ingest.sources.frappe.adapter import ADAPTER, FrappeSettings
from services.ingest.wire import candidate_of
from shared.http.client import Requester
from tests.integration.sources.frappe.fake import Doc, FakeFrappe

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
    fake: FakeFrappe
    clock: _Clock
    calling: Calling
    url: str

    def account(self, **settings: Any) -> Account:
        said = {"api_url": self.url, "api_key": "key-1", "api_secret": "secret-1", "time_zone": "Asia/Kolkata"}
        return Account("acme", ("s1",), msgspec.convert(said | settings, FrappeSettings))

    def api(self, **settings: Any) -> SourceApi:
        found = reach(ADAPTER, self.account(**settings), self.calling).api
        assert found is not None
        return found


@pytest.fixture
async def stage() -> AsyncIterator[_Stage]:
    fake, clock = FakeFrappe(), _Clock()
    async with fake.serving() as url, Requester() as requester:
        yield _Stage(fake, clock, Calling(requester, clock, Rate(1_000_000, 1)), url)


def _opportunity(number: int, **fields: Any) -> Doc:
    """Modified `number` minutes after ten in UTC, which is 15:30 in India."""
    minute = 30 + number
    at = f"2026-11-24 {15 + minute // 60}:{minute % 60:02}:00.000000"
    return {"doctype": "Opportunity", "name": f"OPP/{number:03}", "creation": at, "modified": at, "docstatus": 0,
            "status": "Open", "sales_stage": "Qualification", "opportunity_amount": number * 100.5, "currency": "EUR",
            **fields}  # fmt: skip


def _deletion(name: str, doctype: str, deleted: str) -> Doc:
    at = "2026-11-24 15:45:00.000000"
    return {"name": name, "deleted_doctype": doctype, "deleted_name": deleted, "creation": at}


async def _all_changed(api: SourceApi, since: datetime, until: datetime) -> list[Record]:
    found: list[Record] = []
    page: str | None = None
    while True:
        changed = await api.changed("Opportunity", since, until, page)
        found += changed.records
        page = changed.next_page
        if page is None:
            return found


async def test_without_a_key_there_is_nothing(stage: _Stage) -> None:
    assert reach(ADAPTER, stage.account(api_key=None), stage.calling) is NOTHING


async def test_what_was_modified_and_what_was_deleted_comes_page_by_page(stage: _Stage) -> None:
    stage.fake.docs["Opportunity"] = [_opportunity(n) for n in range(60)]
    stage.fake.docs["Deleted Document"] = [_deletion(f"h{n:02}", "Opportunity", f"OPP/9{n:02}") for n in range(25)]
    stage.fake.docs["Deleted Document"].append(_deletion("x", "ToDo", "T"))
    found = await _all_changed(stage.api(), _TEN + timedelta(minutes=5), _TEN + timedelta(minutes=50))
    assert [record.id for record in found if not record.gone] == [f"OPP/{n:03}" for n in range(5, 50)]
    assert [record.id for record in found if record.gone] == [f"OPP/9{n:02}" for n in range(25)]
    (event,) = ADAPTER.read(found[-1], stage.account())
    assert event.time == _TEN + timedelta(minutes=15)
    assert msgspec.json.decode(candidate_of(event).public)["ended"] is True
    (event,) = ADAPTER.read(found[0], stage.account())
    assert event.time == _TEN + timedelta(minutes=5)
    assert msgspec.json.decode(candidate_of(event).public)["amount"] == {"amount": "502.5", "currency": "EUR"}


async def test_deletions_need_a_system_manager_or_are_left_out(stage: _Stage) -> None:
    stage.fake.docs["Opportunity"] = [_opportunity(1)]
    stage.fake.is_system_manager = False
    with pytest.raises(CredentialsError):
        await _all_changed(stage.api(), _TEN, _NOON)
    assert len(await _all_changed(stage.api(read_deletions=False), _TEN, _NOON)) == 1


async def test_reading_by_name_tells_what_is_gone(stage: _Stage) -> None:
    stage.fake.docs["Opportunity"] = [_opportunity(1)]
    found = {record.id: record.gone for record in await stage.api().read("Opportunity", ["OPP/001", "Ödegård & Co"])}
    assert found == {"OPP/001": False, "Ödegård & Co": True}


async def test_a_doctype_that_the_site_does_not_have_has_no_documents(stage: _Stage) -> None:
    assert await _all_changed(stage.api(read_deletions=False), _TEN, _NOON) == []
    assert await stage.api().stages() == []


async def test_all_stages(stage: _Stage) -> None:
    stage.fake.docs["Sales Stage"] = [{"name": f"Stage {n:02}"} for n in range(30)]
    assert [found.label for found in await stage.api().stages()] == [f"Stage {n:02}" for n in range(30)]


async def test_a_busy_site_is_left_alone_as_long_as_it_asks(stage: _Stage) -> None:
    stage.fake.docs["Opportunity"] = [_opportunity(1)]
    stage.fake.busy = 1
    with pytest.raises(TryLaterError) as refused:
        await stage.api().read("Opportunity", ["OPP/001"])
    assert refused.value.wait == timedelta(seconds=9)
    stage.clock.seconds += 10
    assert len(await stage.api().read("Opportunity", ["OPP/001"])) == 1


async def test_a_wrong_key_is_for_a_person(stage: _Stage) -> None:
    with pytest.raises(CredentialsError) as refused:
        await stage.api(api_secret="wrong-canary").stages()
    assert "canary" not in str(refused.value)
