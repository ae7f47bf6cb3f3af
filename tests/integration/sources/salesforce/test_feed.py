"""Change Data Capture over real gRPC against a fake that speaks the documented protocol."""

import asyncio
import base64
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import grpc
import msgspec
import pytest

from services.ingest.sources.adapter import Reading
from services.ingest.sources.api import Fed, PositionLostError
from services.ingest.sources.calling import ApiAnswerError, CredentialsError, TryLaterError
from services.ingest.sources.salesforce import messages
from services.ingest.sources.salesforce.adapter import ADAPTER
from services.ingest.wire import candidate_of
from shared.contracts.envelope import Event
from shared.kernel.errors import MalformedError
from tests.integration.sources.salesforce.stage import Stage, opened

_DEADLINE = 20.0
_DEAL = "006SM0000001Tb3YAE"
_AT = 1652977933000


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with opened() as found:
        yield found


async def _next(stage: Stage, position: str | None, count: int, **settings: Any) -> list[Fed]:
    """The next so many portions."""
    found: list[Fed] = []
    async with asyncio.timeout(_DEADLINE), aclosing(stage.feed(**settings).follow(position)) as feed:
        async for fed in feed:
            found.append(fed)
            if len(found) == count:
                break
    return found


async def _from_now(stage: Stage) -> str:
    """A position after which everything comes; the first event stands before it."""
    await stage.bus.publish("Contact", "CREATE", ["0035f00002JUXA8AAP"])
    return base64.b64encode(stage.bus.events[-1][0]).decode()


def _readings(stage: Stage, portions: list[Fed], **settings: Any) -> list[Reading]:
    account = stage.account(**settings)
    return [ADAPTER.adapt(delivery, account) for fed in portions for delivery in fed.deliveries]


def _said(reading: Reading) -> list[dict[str, Any]]:
    return [msgspec.json.decode(candidate_of(e).public) for e in reading.events if isinstance(e, Event)]


async def test_changes_come_in_order_with_the_place_after_them(stage: Stage) -> None:
    begin = await _from_now(stage)
    await stage.bus.publish(
        "Opportunity", "CREATE", [_DEAL], Name="Acme 600", StageName="Prospecting", Amount=10000.5,
        CloseDate=1653955200000, LastModifiedDate=_AT,
    )  # fmt: skip
    await stage.bus.publish("Opportunity", "UPDATE", [_DEAL], StageName="Closed Won", Amount=None, LastModifiedDate=_AT)
    await stage.bus.publish("Opportunity", "DELETE", [_DEAL])
    stage.bus.batch = 2
    first, second = await _next(stage, begin, 2)
    created, updated, deleted = _readings(stage, [first, second])
    assert _said(created)[0]["amount"] == {"amount": "10000.5", "currency": "USD"}
    assert _said(created)[0]["expected_close_on"] == "2022-05-31"
    assert _said(updated) == [{"id": f"acme:{_DEAL}", "stage": "Closed Won", "amount": None}], (
        "what did not change is unsaid"
    )
    assert _said(deleted) == [{"id": f"acme:{_DEAL}", "ended": True}]
    assert [fed.position for fed in (first, second)] == [
        base64.b64encode(stage.bus.events[place][0]).decode() for place in (2, 3)
    ]
    assert b'"commitNumber":1652977933433528302' in first.deliveries[0].body, "beyond 2^53 to the last digit"
    assert stage.bus.schemas_asked == ["Opportunity"], "a schema is asked for once"


async def test_from_now_on_without_a_position(stage: Stage) -> None:
    await stage.bus.publish("Opportunity", "CREATE", [_DEAL], Name="old")
    waiting = asyncio.create_task(_next(stage, None, 1))
    async with asyncio.timeout(_DEADLINE):
        await stage.bus.subscribed.wait()
    await stage.bus.publish("Opportunity", "CREATE", [_DEAL], Name="new", LastModifiedDate=_AT)
    (fed,) = await waiting
    assert [_said(reading)[0]["title"] for reading in _readings(stage, [fed])] == ["new"]
    assert stage.bus.requests[0].replay_preset == messages.LATEST


async def test_following_again_repeats_and_leaves_out_nothing(stage: Stage) -> None:
    begin = await _from_now(stage)
    for number in range(7):
        await stage.bus.publish("Opportunity", "UPDATE", [_DEAL], Name=f"n{number}", LastModifiedDate=_AT)
    stage.bus.batch = 2
    position: str | None = begin
    titles = []
    for _ in range(4):
        (fed,) = await _next(stage, position, 1)
        position = fed.position
        titles += [_said(reading)[0]["title"] for reading in _readings(stage, [fed])]
    assert titles == [f"n{number}" for number in range(7)]


async def test_more_is_asked_for_when_what_was_asked_for_has_come(stage: Stage) -> None:
    begin = await _from_now(stage)
    for number in range(205):
        await stage.bus.publish("Opportunity", "UPDATE", [_DEAL], Name=f"n{number}", LastModifiedDate=_AT)
    stage.bus.batch = 50
    portions = await _next(stage, begin, 5)
    assert sum(len(fed.deliveries) for fed in portions) == 205
    assert [request.num_requested for request in stage.bus.requests] == [100, 100, 100]


async def test_silence_moves_the_place(stage: Stage) -> None:
    begin = await _from_now(stage)
    waiting = asyncio.create_task(_next(stage, begin, 1))
    async with asyncio.timeout(_DEADLINE):
        await stage.bus.subscribed.wait()
    await stage.bus.beat()
    (fed,) = await waiting
    assert (list(fed.deliveries), fed.position) == ([], begin)


async def test_names_come_out_of_bitmaps_also_of_nested_fields(stage: Stage) -> None:
    begin = await _from_now(stage)
    ids = ["0015f00002JUZPDAA5", "0015f00002JUZPXAA5"]
    changed = ["Industry", "BillingAddress.Country", "BillingAddress.Street", "LastModifiedDate"]
    await stage.bus.publish(
        "Account", "UPDATE", ids, changed=changed, BillingAddress={"Country": "Canada"}, LastModifiedDate=_AT
    )
    await stage.bus.publish("Account", "UPDATE", ids[:1], changed=["Name.LastName"], Name={"LastName": "Green"})
    await stage.bus.publish("Account", "CREATE", ids[:1], Name="Acme", LastModifiedDate=_AT)
    (fed,) = await _next(stage, begin, 1)
    moved, renamed, created = _readings(stage, [fed])
    assert _said(moved) == [{"id": f"acme:{one}", "sector": None, "country": "Canada"} for one in ids]
    assert len({event.cause for event in moved.events if isinstance(event, Event)}) == 1
    assert (_said(renamed), [read.id for read in renamed.reads]) == ([], ids[:1])
    assert (_said(created)[0]["name"], _said(created)[0]["kind"]) == ("Acme", "company")


async def test_gaps_are_read(stage: Stage) -> None:
    begin = await _from_now(stage)
    await stage.bus.publish("Opportunity", "GAP_UPDATE", [_DEAL])
    (fed,) = await _next(stage, begin, 1)
    (reading,) = _readings(stage, [fed])
    assert ([read.id for read in reading.reads], list(reading.events)) == ([_DEAL], [])


async def test_an_overflow_gives_the_place_up_after_what_came_before(stage: Stage) -> None:
    begin = await _from_now(stage)
    await stage.bus.publish("Opportunity", "DELETE", [_DEAL])
    await stage.bus.publish("Opportunity", "GAP_OVERFLOW", [])
    await stage.bus.publish("Opportunity", "DELETE", [_DEAL])
    (fed,) = await _next(stage, begin, 1)
    assert len(fed.deliveries) == 1
    with pytest.raises(PositionLostError):
        await _next(stage, begin, 2)


async def test_an_overflow_of_what_we_do_not_read_is_none_of_ours(stage: Stage) -> None:
    begin = await _from_now(stage)
    await stage.bus.publish("Contact", "GAP_OVERFLOW", [])
    (fed,) = await _next(stage, begin, 1)
    assert [reading.unknown for reading in _readings(stage, [fed])] == ["change events of Contact"]


@pytest.mark.parametrize("position", [base64.b64encode(b"\x00\x01").decode(), "not base64!"])
async def test_a_place_that_is_not_kept_any_more(stage: Stage, position: str) -> None:
    with pytest.raises(PositionLostError):
        await _next(stage, position, 1)


async def test_what_cannot_be_decoded_does_not_stop_the_feed(stage: Stage) -> None:
    begin = await _from_now(stage)
    await stage.bus.publish_bytes("Opportunity", b"\xff\x00")
    await stage.bus.publish_bytes("no-schema", b"\x00")
    await stage.bus.publish("Opportunity", "DELETE", [_DEAL])
    (fed,) = await _next(stage, begin, 1)
    *odd, fine = fed.deliveries
    assert _said(ADAPTER.adapt(fine, stage.account())) == [{"id": f"acme:{_DEAL}", "ended": True}]
    for delivery, payload in zip(odd, (b"\xff\x00", b"\x00"), strict=True):
        assert base64.b64decode(msgspec.json.decode(delivery.body)["undecoded"]) == payload
        with pytest.raises(MalformedError):
            ADAPTER.adapt(delivery, stage.account())


async def test_an_ended_session_is_renewed_without_losing_the_place(stage: Stage) -> None:
    begin = await _from_now(stage)
    await stage.bus.publish("Opportunity", "UPDATE", [_DEAL], Name="before", LastModifiedDate=_AT)
    titles: list[str] = []
    async with asyncio.timeout(_DEADLINE), aclosing(stage.feed().follow(begin)) as feed:
        async for fed in feed:
            titles += [_said(reading)[0]["title"] for reading in _readings(stage, [fed])]
            if len(titles) == 2:
                break
            stage.org.tokens.clear()
            await stage.bus.cut()
            await stage.bus.publish("Opportunity", "UPDATE", [_DEAL], Name="after", LastModifiedDate=_AT)
    assert titles == ["before", "after"]
    assert len(stage.org.forms) == 2


async def test_a_token_that_is_refused_at_once_is_for_a_person(stage: Stage) -> None:
    stage.bus.organization = "00D000000000000AAA"
    with pytest.raises(CredentialsError) as refused:
        await _next(stage, None, 1)
    assert "canary" not in str(refused.value)
    assert len(stage.org.forms) == 1


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (grpc.StatusCode.UNAVAILABLE, TryLaterError),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, TryLaterError),
        (grpc.StatusCode.INTERNAL, TryLaterError),
        (grpc.StatusCode.PERMISSION_DENIED, CredentialsError),
        (grpc.StatusCode.NOT_FOUND, ApiAnswerError),
        (grpc.StatusCode.INVALID_ARGUMENT, ApiAnswerError),
    ],
)
async def test_failures_are_told_apart(stage: Stage, code: grpc.StatusCode, expected: type[Exception]) -> None:
    stage.bus.breaking = (code, "sfdc.platform.eventbus.grpc.some.reason")
    with pytest.raises(expected, match=r"some\.reason") as refused:
        await _next(stage, None, 1)
    assert "canary" not in str(refused.value)


async def test_nobody_there_is_for_later(stage: Stage) -> None:
    with pytest.raises(TryLaterError):
        await _next(stage, None, 1, pubsub_url="http://127.0.0.1:9")


@pytest.mark.parametrize("missing", ["grpc", "fastavro", "google.protobuf"])
async def test_without_the_extra_packages_it_says_what_to_install(missing: str) -> None:
    program = f"""
import asyncio, sys
sys.modules[{missing!r}] = None
import msgspec
from services.ingest.sources.adapter import Account
from services.ingest.sources.calling import Calling, CredentialsError, Rate
from services.ingest.sources.salesforce.adapter import SalesforceSettings
from services.ingest.sources.salesforce.api import connect
from shared.http.client import Requester
from shared.kernel.clock import SystemClock

async def main():
    settings = SalesforceSettings(organization_id="00D5Y000001MPM7", currency="USD", client_id="a", client_secret="b")
    async with Requester() as requester:
        reach = connect(Account("acme", (), settings), Calling(requester, SystemClock(), Rate(1, 1)))
        try:
            async for fed in reach.feed.follow(None):
                pass
        except CredentialsError as error:
            print(error)

asyncio.run(main())
"""
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert "pip install 'quintant[salesforce]'" in done.stdout
