"""Twenty's API over real HTTP against a fake that answers as documented."""

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
from services.ingest.sources.twenty.adapter import ADAPTER, TwentySettings
from services.ingest.wire import candidate_of
from shared.http.client import Requester
from tests.integration.sources.twenty.fake import FakeTwenty

_NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


@dataclass(slots=True)
class _Clock:
    seconds: float = 0

    def now(self) -> datetime:
        return _NOON + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds


@dataclass(frozen=True, slots=True)
class _Stage:
    fake: FakeTwenty
    clock: _Clock
    calling: Calling
    url: str

    def account(self, **settings: Any) -> Account:
        said = {"api_url": f"{self.url}/", "api_key": "key-1", **settings}
        return Account("acme", ("s1",), msgspec.convert(said, TwentySettings))

    def api(self, **settings: Any) -> SourceApi:
        found = reach(ADAPTER, self.account(**settings), self.calling).api
        assert found is not None
        return found


@pytest.fixture
async def stage() -> AsyncIterator[_Stage]:
    fake, clock = FakeTwenty(), _Clock()
    async with fake.serving() as url, Requester() as requester:
        yield _Stage(fake, clock, Calling(requester, clock, Rate(1_000_000, 1)), url)


def _opportunity(number: int, minute: int, **fields: Any) -> dict[str, Any]:
    changed = f"2026-11-24T10:{minute:02}:00.000Z"
    amount = {"amountMicros": number * 1_000_000, "currencyCode": "EUR"}
    return {"id": f"o{number}", "name": f"Deal {number}", "stage": "NEW", "amount": amount, "closeDate": None,
            "companyId": None, "pointOfContactId": None, "createdAt": changed, "updatedAt": changed, "deletedAt": None,
            **fields}  # fmt: skip


async def _all_changed(api: SourceApi, since: datetime, until: datetime) -> list[Record]:
    found: list[Record] = []
    page: str | None = None
    while True:
        changed = await api.changed("opportunity", since, until, page)
        found += changed.records
        page = changed.next_page
        if page is None:
            return found


async def test_without_a_key_there_is_nothing(stage: _Stage) -> None:
    assert reach(ADAPTER, stage.account(api_key=None), stage.calling) is NOTHING


async def test_what_changed_comes_page_by_page_with_what_was_deleted(stage: _Stage) -> None:
    gone = {"deletedAt": "2026-11-24T10:03:00.000Z"}
    stage.fake.records["opportunities"] = [_opportunity(n, n, **(gone if n == 3 else {})) for n in range(1, 8)]
    stage.fake.page = 2
    since = datetime(2026, 11, 24, 10, 2, tzinfo=UTC)
    found = await _all_changed(stage.api(), since, since + timedelta(minutes=4, microseconds=1))
    assert [record.id for record in found] == ["o2", "o3", "o4", "o5", "o6"]
    assert [record.id for record in found if record.gone] == ["o3"]
    assert len(stage.fake.calls) == 3
    events = [event for record in found for event in ADAPTER.read(record, stage.account())]
    said = [msgspec.json.decode(candidate_of(event).public) for event in events]
    assert [fields.get("ended") for fields in said] == [False, True, False, False, False]
    assert said[0]["amount"] == {"amount": "2", "currency": "EUR"}


async def test_reading_by_id_tells_what_is_deleted_and_what_is_destroyed(stage: _Stage) -> None:
    stage.fake.records["opportunities"] = [
        _opportunity(1, 1),
        _opportunity(2, 2, deletedAt="2026-11-24T10:02:00.000Z"),
        _opportunity(3, 3),
    ]
    found = {record.id: record for record in await stage.api().read("opportunity", ["o1", "o2", "o9"])}
    assert {identifier: record.gone for identifier, record in found.items()} == {"o1": False, "o2": True, "o9": True}
    assert found["o9"].body == b""
    (event,) = ADAPTER.read(found["o9"], stage.account())
    assert (event.subject, event.time) == ("acme:o9", _NOON)


async def test_stages_in_their_order(stage: _Stage) -> None:
    assert [(found.label, found.title) for found in await stage.api().stages()] == [
        ("NEW", "New"),
        ("CUSTOMER", "Customer"),
    ]


async def test_a_busy_server_is_left_alone_as_long_as_it_asks(stage: _Stage) -> None:
    stage.fake.busy = 1
    with pytest.raises(TryLaterError) as refused:
        await stage.api().read("company", ["c1"])
    assert refused.value.wait == timedelta(seconds=7)
    stage.clock.seconds += 8
    assert [record.gone for record in await stage.api().read("company", ["c1"])] == [True]


async def test_a_wrong_key_is_for_a_person(stage: _Stage) -> None:
    with pytest.raises(CredentialsError) as refused:
        await stage.api(api_key="wrong-canary").stages()
    assert "canary" not in str(refused.value)
