"""Zoho CRM's API over real HTTP against a fake that answers as documented."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from services.ingest.sources import reach
from services.ingest.sources.adapter import Account, Rate, Record
from services.ingest.sources.api import NOTHING, Keeper, SourceApi
from services.ingest.sources.calling import ApiAnswerError, Calling, CredentialsError, TryLaterError
from services.ingest.sources.zoho.adapter import ADAPTER
from services.ingest.sources.zoho.settings import ZohoSettings, channel_of
from services.ingest.wire import candidate_of
from shared.http.client import Requester
from tests.integration.sources.zoho.fake import FakeZoho

_NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
_URL = "https://quintant.example/v1/webhooks/acme"


@dataclass(slots=True)
class _Clock:
    seconds: float = 0

    def now(self) -> datetime:
        return _NOON + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    def advance(self, by: timedelta) -> None:
        self.seconds += by.total_seconds()


@dataclass(frozen=True, slots=True)
class _Stage:
    fake: FakeZoho
    clock: _Clock
    calling: Calling
    url: str

    def account(self, *secrets: str, **settings: Any) -> Account:
        client = {"client_id": "client-1", "client_secret": "secret-1", "refresh_token": "refresh-1", "currency": "EUR"}
        said = {"api_url": f"{self.url}/", "accounts_url": self.url, **client, **settings}
        return Account("acme", secrets or ("our-token",), msgspec.convert(said, ZohoSettings))

    def api(self, **settings: Any) -> SourceApi:
        found = reach(ADAPTER, self.account(**settings), self.calling).api
        assert found is not None
        return found

    def keeper(self, *secrets: str, **settings: Any) -> Keeper:
        found = reach(ADAPTER, self.account(*secrets, **settings), self.calling).keeper
        assert found is not None
        return found


@pytest.fixture
async def stage() -> AsyncIterator[_Stage]:
    clock = _Clock()
    fake = FakeZoho(clock)
    async with fake.serving() as url, Requester() as requester:
        yield _Stage(fake, clock, Calling(requester, clock, Rate(1_000_000, 1)), url)


def _deal(number: int, minute: int, **fields: Any) -> dict[str, Any]:
    changed = (_NOON - timedelta(hours=2) + timedelta(minutes=minute)).isoformat()
    return {"id": str(6000 + number), "Deal_Name": f"Deal {number}", "Stage": "Qualification", "Amount": number,
            "Owner": {"id": "77"}, "Modified_Time": changed, **fields}  # fmt: skip


def _hold(stage: _Stage, module: str, *records: dict[str, Any]) -> None:
    stage.fake.records.setdefault(module, {}).update({one["id"]: one for one in records})


async def _all_changed(api: SourceApi, kind: str, since: datetime, until: datetime) -> list[Record]:
    found: list[Record] = []
    page: str | None = None
    while True:
        changed = await api.changed(kind, since, until, page)
        found += changed.records
        page = changed.next_page
        if page is None:
            return found


@pytest.mark.parametrize("missing", ["client_id", "client_secret", "refresh_token"])
async def test_without_credentials_there_is_nothing(stage: _Stage, missing: str) -> None:
    assert reach(ADAPTER, stage.account(**{missing: ""}), stage.calling) is NOTHING


async def test_what_changed_comes_page_by_page_with_what_was_deleted(stage: _Stage) -> None:
    _hold(stage, "Deals", *(_deal(n, 1) for n in range(1, 251)), _deal(900, 0), _deal(901, 2))
    since = _NOON - timedelta(hours=2) + timedelta(minutes=1)
    times = [(since + timedelta(seconds=place - 1)).isoformat() for place in range(4)]
    stage.fake.deleted["Deals"] = [{"id": str(7000 + n), "deleted_time": at} for n, at in enumerate(times)]
    stage.fake.deleted_page = 2
    found = await _all_changed(stage.api(), "Deals", since, since + timedelta(seconds=2))
    assert [one.id for one in found if not one.gone] == [str(6000 + n) for n in range(1, 251)]
    assert [one.id for one in found if one.gone] == ["7001", "7002"]
    (event,) = ADAPTER.read(found[-1], stage.account())
    assert (event.time.isoformat(), msgspec.json.decode(event.data)["ended"]) == (times[2], True)


async def test_a_change_between_two_pages_loses_nothing(stage: _Stage) -> None:
    _hold(stage, "Deals", *(_deal(n, 1) for n in range(1, 151)))
    api, since, until = stage.api(), _NOON - timedelta(hours=3), _NOON - timedelta(hours=1)
    first = await api.changed("Deals", since, until, None)
    _hold(stage, "Deals", _deal(7, 90))
    second = await api.changed("Deals", since, until, first.next_page)
    assert {one.id for one in [*first.records, *second.records]} == {str(6000 + n) for n in range(1, 151)}


async def test_nothing_changed_and_nothing_deleted(stage: _Stage) -> None:
    assert await _all_changed(stage.api(), "Deals", _NOON - timedelta(hours=1), _NOON) == []
    assert await _all_changed(stage.api(), "Invoices", _NOON - timedelta(hours=1), _NOON) == []
    assert stage.fake.calls == ["POST coql", "GET Deals/deleted"]


async def test_reading_by_id_tells_what_is_gone(stage: _Stage) -> None:
    _hold(stage, "Deals", _deal(1, 1, Currency="JPY"), _deal(2, 2))
    found = {one.id: one for one in await stage.api().read("Deals", ["6001", "6002", "6009"])}
    assert {identifier: one.gone for identifier, one in found.items()} == {"6001": False, "6002": False, "6009": True}
    said = [msgspec.json.decode(candidate_of(event).public) for one in found.values() for event in _events(stage, one)]
    assert [fields.get("amount") for fields in said] == [
        {"amount": "1", "currency": "JPY"},
        {"amount": "2", "currency": "EUR"},
        None,
    ]
    assert [fields["ended"] for fields in said] == [False, False, True]
    assert stage.fake.calls == ["GET Deals"]


def _events(stage: _Stage, record: Record) -> Any:
    return ADAPTER.read(record, stage.account())


async def test_orders_come_with_their_rows(stage: _Stage) -> None:
    rows = [{"id": "1", "Quantity": 2, "List_Price": 5, "Total_After_Discount": 10, "Tax": 1.9}]
    order = {"id": "8001", "Status": "Delivered", "Ordered_Items": rows, "Modified_Time": _NOON.isoformat()}
    _hold(stage, "Sales_Orders", order)
    api = stage.api(modules=["Sales_Orders"])
    found = await _all_changed(api, "Sales_Orders", _NOON, _NOON + timedelta(minutes=1))
    ((event,),) = (_events(stage, one) for one in found)
    said = msgspec.json.decode(candidate_of(event).public)
    assert (said["status"], said["lines"]["1"]["net"]["amount"]) == ("fulfilled", "10")
    (gone,) = await api.read("Sales_Orders", ["8009"])
    assert gone.gone


async def test_stages_of_all_layouts_in_their_order(stage: _Stage) -> None:
    found = await stage.api().stages()
    assert [(one.pipeline, one.label, one.outcome) for one in found] == [
        ("Standard (Standard)", "Qualification", ""),
        ("Standard (Standard)", "Closed Won", "won"),
        ("Standard (Standard)", "Closed Lost", "lost"),
    ]


async def test_a_token_is_kept_until_it_expires_or_is_refused(stage: _Stage) -> None:
    api = stage.api()
    await api.stages()
    await api.stages()
    assert stage.fake.tokens == 1
    stage.clock.advance(timedelta(minutes=59))
    await api.stages()
    assert stage.fake.tokens == 2
    stage.fake.expired = True
    await api.stages()
    assert stage.fake.tokens == 3


async def test_a_wrong_refresh_token_inside_200_is_for_a_person(stage: _Stage) -> None:
    with pytest.raises(CredentialsError) as refused:
        await stage.api(refresh_token="wrong-canary").stages()
    assert "canary" not in str(refused.value)


async def test_busy_is_left_alone_as_long_as_it_asks(stage: _Stage) -> None:
    stage.fake.busy = 1
    with pytest.raises(TryLaterError) as refused:
        await stage.api().stages()
    assert refused.value.wait == timedelta(seconds=7)


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (200, "LIMIT_EXCEEDED", TryLaterError),
        (500, "INTERNAL_ERROR", TryLaterError),
        (200, "NO_PERMISSION", CredentialsError),
        (403, "NO_PERMISSION", CredentialsError),
        (401, "OAUTH_SCOPE_MISMATCH", CredentialsError),
        (200, "INVALID_MODULE", ApiAnswerError),
        (400, "INVALID_QUERY", ApiAnswerError),
        (200, "refresh-1 is wrong", ApiAnswerError),
    ],
)
async def test_errors_of_any_status(stage: _Stage, status: int, code: str, error: type[Exception]) -> None:
    stage.fake.errors = [(status, code)] * 2
    with pytest.raises(error) as refused:
        await stage.api().stages()
    assert "refresh-1" not in str(refused.value)


async def test_the_channel_is_created_kept_and_renewed(stage: _Stage) -> None:
    keeper, channel = stage.keeper(), channel_of(stage.account())
    made = await keeper.keep(_URL, None)
    assert (made.id, made.detail) == (channel, "created")
    there = stage.fake.channels[channel]
    assert (there["token"], there["notify_url"]) == ("our-token", _URL)
    assert there["events"] == ["Accounts.all", "Deals.all"]
    assert there["return_affected_field_values"] is False
    assert made.expires_at is not None
    assert timedelta(days=6) < made.expires_at - _NOON < timedelta(days=7)

    stage.clock.advance(timedelta(days=2))
    kept = await keeper.keep(_URL, made)
    assert (kept.expires_at, kept.detail) == (made.expires_at, "")
    stage.clock.advance(timedelta(days=2))
    renewed = await keeper.keep(_URL, kept)
    assert renewed.detail == "renewed"
    assert renewed.expires_at == made.expires_at + timedelta(days=4)


async def test_a_channel_that_ran_out_is_made_anew(stage: _Stage) -> None:
    keeper = stage.keeper()
    made = await keeper.keep(_URL, None)
    stage.clock.advance(timedelta(days=8))
    assert (await keeper.keep(_URL, made)).detail == "created"


async def test_a_channel_that_runs_out_while_it_is_renewed_is_made_anew(stage: _Stage) -> None:
    """400 NOT_SUBSCRIBED to the renewal."""
    keeper = stage.keeper()
    made = await keeper.keep(_URL, None)
    stage.clock.advance(timedelta(days=6))
    stage.fake.forgets_after_a_look = True
    stage.fake.calls.clear()
    assert (await keeper.keep(_URL, made)).detail == "created"
    assert stage.fake.calls == ["GET actions/watch", "PATCH actions/watch", "POST actions/watch"]


@pytest.mark.parametrize("change", ["url", "secret", "modules"])
async def test_a_channel_that_is_another_than_we_want_is_changed(stage: _Stage, change: str) -> None:
    made = await stage.keeper().keep(_URL, None)
    secrets = ("new-token", "our-token") if change == "secret" else ()
    keeper = stage.keeper(*secrets, **({"modules": ["Deals"]} if change == "modules" else {}))
    url = f"{_URL}2" if change == "url" else _URL
    assert (await keeper.keep(url, made)).detail == "renewed"
    there = stage.fake.channels[made.id]
    assert (there["notify_url"], there["token"]) == (url, (*secrets, "our-token")[0])
    assert (await keeper.keep(url, made)).detail == ""


async def test_a_channel_that_zoho_refuses(stage: _Stage) -> None:
    with pytest.raises(ApiAnswerError, match="INVALID_DATA"):
        await stage.keeper().keep("http://not.secure", None)
    with pytest.raises(CredentialsError, match="50"):
        await stage.keeper("x" * 51).keep(_URL, None)
    stage.fake.errors = [(429, "TOO_MANY_REQUESTS")]
    with pytest.raises(TryLaterError):
        await stage.keeper().keep(_URL, None)
