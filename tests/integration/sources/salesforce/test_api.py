"""Salesforce's REST API over real HTTP against a fake that answers as documented."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from services.ingest.sources import reach
from services.ingest.sources.adapter import Record
from services.ingest.sources.api import NOTHING, SourceApi, StageFound
from services.ingest.sources.calling import ApiAnswerError, CredentialsError, TryLaterError
from services.ingest.sources.salesforce.adapter import ADAPTER
from services.ingest.wire import candidate_of
from tests.integration.sources.salesforce.fake import failure
from tests.integration.sources.salesforce.stage import NOON, Stage, opened

_SINCE = datetime(2026, 11, 24, 10, 20, tzinfo=UTC)


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with opened() as found:
        yield found


def _id(number: int, prefix: str = "006") -> str:
    return f"{prefix}{number:012d}AAA"


def _opportunity(number: int, minute: int, **fields: Any) -> dict[str, Any]:
    stamp = f"2026-11-24T10:{minute:02}:00.000+0000"
    return {"Id": _id(number), "Name": f"Deal {number}", "StageName": "Prospecting", "Amount": number + 0.5,
            "CloseDate": "2026-12-20", "Probability": 10.0, "LeadSource": None, "AccountId": _id(1, "001"),
            "OwnerId": _id(1, "005"), "CreatedDate": "2026-11-01T08:00:00.000+0000", "LastModifiedDate": stamp,
            "SystemModstamp": stamp, "IsDeleted": False, **fields}  # fmt: skip


def _account(number: int, minute: int, **fields: Any) -> dict[str, Any]:
    stamp = f"2026-11-24T10:{minute:02}:00.000+0000"
    return {"Id": _id(number, "001"), "Name": f"Customer {number}", "SystemModstamp": stamp, "LastModifiedDate": stamp,
            "IsDeleted": False, "MasterRecordId": None, **fields}  # fmt: skip


async def _all_changed(api: SourceApi, kind: str, since: datetime, until: datetime) -> list[Record]:
    found: list[Record] = []
    page: str | None = None
    while True:
        changed = await api.changed(kind, since, until, page)
        found += changed.records
        page = changed.next_page
        if page is None:
            return found


def _said(stage: Stage, record: Record, **settings: Any) -> list[dict[str, Any]]:
    events = ADAPTER.read(record, stage.account(**settings))
    return [msgspec.json.decode(candidate_of(event).public) for event in events]


@pytest.mark.parametrize("without", ["client_id", "client_secret"])
async def test_without_an_app_there_is_nothing(stage: Stage, without: str) -> None:
    assert reach(ADAPTER, stage.account(**{without: None}), stage.calling) is NOTHING


async def test_without_a_channel_there_is_no_feed(stage: Stage) -> None:
    found = reach(ADAPTER, stage.account(change_events=""), stage.calling)
    assert found.feed is None
    assert found.api is not None


async def test_what_changed_comes_page_by_page_with_what_was_deleted(stage: Stage) -> None:
    stage.org.records["Opportunity"] = [_opportunity(n, 5 * n, IsDeleted=n == 4) for n in range(1, 8)]
    stage.org.page = 2
    found = await _all_changed(stage.api(), "Opportunity", _SINCE, _SINCE + timedelta(minutes=10))
    assert [record.id for record in found] == [_id(n) for n in range(2, 6)], "from ten minutes before; until excludes"
    assert [record.id for record in found if record.gone] == [_id(4)]
    assert [fields["ended"] for record in found for fields in _said(stage, record)] == [False, False, True, False]
    assert _said(stage, found[0])[0]["amount"] == {"amount": "2.5", "currency": "USD"}
    assert len(stage.org.forms) == 1, "one token for all calls"


async def test_a_fraction_of_a_second_is_not_lost_at_the_end(stage: Stage) -> None:
    stage.org.records["Opportunity"] = [_opportunity(1, 30)]
    until = datetime(2026, 11, 24, 10, 30, 0, 1, tzinfo=UTC)
    assert len(await _all_changed(stage.api(), "Opportunity", _SINCE, until)) == 1


async def test_a_lost_cursor_starts_the_query_again(stage: Stage) -> None:
    stage.org.records["Opportunity"] = [_opportunity(n, 20) for n in range(3)]
    stage.org.page = 2
    first = await stage.api().changed("Opportunity", _SINCE, NOON, None)
    stage.org.cursors.clear()
    again = await stage.api().changed("Opportunity", _SINCE, NOON, first.next_page)
    assert [record.id for record in again.records] == [record.id for record in first.records]
    assert again.next_page != first.next_page


async def test_only_salesforces_own_pages_are_followed(stage: Stage) -> None:
    with pytest.raises(ApiAnswerError):
        await stage.api().changed("Opportunity", _SINCE, NOON, "//elsewhere.example/services/data/v62.0/query/1")


async def test_users_are_asked_without_the_field_that_they_lack(stage: Stage) -> None:
    stamp = "2026-11-24T10:25:00.000+0000"
    stage.org.records["User"] = [{"Id": _id(1, "005"), "Name": "Olga Brown", "IsActive": True, "SystemModstamp": stamp}]
    (record,) = await _all_changed(stage.api(), "User", _SINCE, NOON)
    assert _said(stage, record) == [{"id": f"acme:{_id(1, '005')}", "active": True, "role": None}]


async def test_reading_tells_what_is_deleted_merged_and_purged(stage: Stage) -> None:
    stage.org.records["Account"] = [
        _account(1, 1),
        _account(2, 2, IsDeleted=True),
        _account(3, 3, IsDeleted=True, MasterRecordId=_id(1, "001")),
    ]
    stage.org.page = 1
    ids = [_id(n, "001") for n in (3, 1, 9, 2)]
    found = await stage.api().read("Account", ids)
    assert [record.id for record in found] == ids
    assert [record.gone for record in found] == [True, False, True, True]
    assert found[2].body == b""
    merged = _said(stage, found[0])
    assert merged[0] == {"id": f"acme:{ids[0]}", "ended": True}
    assert merged[1] == {"id": f"customer:acme:{ids[0]}", "of_type": "customer", "into_id": f"acme:{ids[1]}"}
    assert _said(stage, found[1])[0]["name"] == "Customer 1"
    assert _said(stage, found[2]) == [{"id": f"acme:{ids[2]}", "ended": True}]


async def test_what_is_no_id_is_never_put_into_a_query(stage: Stage) -> None:
    odd = "001') OR Name != ('"
    assert [record.gone for record in await stage.api().read("Account", [odd])] == [True]
    assert stage.org.calls == []


async def test_a_user_that_is_not_there_says_nothing(stage: Stage) -> None:
    (record,) = await stage.api().read("User", [_id(1, "005")])
    assert record.gone
    assert _said(stage, record) == []


async def test_stages_in_their_order(stage: Stage) -> None:
    assert await stage.api().stages() == [
        StageFound("", "Prospecting", "Anbahnung"),
        StageFound("", "Closed Won", "Gewonnen", "won"),
        StageFound("", "Closed Lost", "Verloren", "lost"),
    ]


async def test_an_ended_session_is_renewed_once(stage: Stage) -> None:
    api = stage.api()
    await api.stages()
    stage.org.tokens.clear()
    assert len(await api.stages()) == 3
    assert len(stage.org.forms) == 2
    stage.org.failures = [failure(401, "INVALID_SESSION_ID", "canary")] * 2
    with pytest.raises(CredentialsError) as refused:
        await api.stages()
    assert "canary" not in str(refused.value)
    assert len(stage.org.forms) == 3, "a new token, and no more when that is refused too"


async def test_a_refresh_token_is_used_if_there_is_one(stage: Stage) -> None:
    await stage.api(refresh_token="refresh-1").stages()
    assert stage.org.forms[0]["grant_type"] == "refresh_token"
    with pytest.raises(CredentialsError):
        await stage.api(refresh_token="refresh-canary").stages()


async def test_wrong_credentials_are_for_a_person(stage: Stage) -> None:
    with pytest.raises(CredentialsError) as refused:
        await stage.api(client_secret="wrong-canary").stages()
    assert "canary" not in f"{refused.value!r} {refused.value}"


async def test_used_up_calls_pause_everything(stage: Stage) -> None:
    stage.org.failures = [failure(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")]
    with pytest.raises(TryLaterError) as refused:
        await stage.api().stages()
    assert refused.value.wait == timedelta(minutes=10)
    stage.clock.seconds += 600
    assert len(await stage.api().stages()) == 3


async def test_a_busy_server_is_left_alone_as_long_as_it_asks(stage: Stage) -> None:
    stage.org.failures = [failure(503, "SERVER_UNAVAILABLE", "", **{"retry-after": "7"})]
    with pytest.raises(TryLaterError) as refused:
        await stage.api().stages()
    assert refused.value.wait == timedelta(seconds=7)


async def test_a_field_that_the_org_does_not_have_is_for_a_person(stage: Stage) -> None:
    stage.org.lacking.add("Loss_Reason__c")
    with pytest.raises(CredentialsError, match="INVALID_FIELD"):
        await stage.api(loss_reason_field="Loss_Reason__c").changed("Opportunity", _SINCE, NOON, None)


async def test_several_currencies_and_pipelines_are_asked_for_only_where_they_are(stage: Stage) -> None:
    stage.org.lacking.clear()
    stage.org.records["Opportunity"] = [_opportunity(1, 25, CurrencyIsoCode="JPY", RecordTypeId=_id(7, "012"))]
    settings: dict[str, Any] = {"several_currencies": True, "pipelines": {_id(7, "012"): "enterprise"}}
    (record,) = await _all_changed(stage.api(**settings), "Opportunity", _SINCE, NOON)
    (fields,) = _said(stage, record, **settings)
    assert (fields["amount"]["currency"], fields["pipeline_id"]) == ("JPY", "enterprise")


async def test_other_failures_name_their_code_only(stage: Stage) -> None:
    stage.org.failures = [failure(400, "MALFORMED_QUERY", "canary")]
    with pytest.raises(ApiAnswerError, match="MALFORMED_QUERY") as refused:
        await stage.api().stages()
    assert "canary" not in str(refused.value)
