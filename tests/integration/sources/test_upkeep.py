"""What keeps sources complete goes on: through failures of theirs, of ours, and of the database."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from services.ingest.accounts import Connected
from services.ingest.settings import Settings
from services.ingest.sources import ADAPTERS
from services.ingest.sources.adapter import Account, Record
from services.ingest.sources.api import Changed, Reach, StageFound
from services.ingest.sources.salesforce import messages
from services.ingest.sources.story import SimulatedDeal, Step
from services.ingest.sources.twenty.simulator import SIMULATOR as TWENTY
from shared.http.client import Requester
from shared.kernel.clock import Clock, SystemClock
from shared.storage.database import Database
from tests.conftest import execute
from tests.integration.sources.day import (
    applications,
    at_any_rate,
    configured,
    deal_said,
    deliver,
    entry,
    followed,
    polled,
    shown,
    tell_stages,
    upkeep,
)
from tests.integration.sources.salesforce.bus import FakeBus
from tests.integration.sources.salesforce.fake import ORGANIZATION, FakeSalesforce
from tests.integration.sources.salesforce.living import happens, org_settings, record_of, story
from tests.integration.sources.twenty.fake import FakeTwenty
from tests.integration.sources.zoho.fake import FakeZoho

_DEADLINE = 30.0
_SELDOM = timedelta(hours=1)
Reached = Callable[[Requester, Clock, Connected], Reach]


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251


@dataclass(frozen=True, slots=True)
class _Workspaces:
    """Two sources of the same fake."""

    fake: FakeTwenty
    folder: Path
    settings: Settings
    url: str
    client: httpx.AsyncClient

    def configure(self, **prefixes: str) -> Settings:
        said = {"api_url": self.url, "api_key": self.fake.key}
        sources = {
            name: entry("twenty", "a secret of no worth", said | {"id_prefix": prefix})
            for name, prefix in prefixes.items()
        }
        return configured(self.settings, self.folder, sources)

    async def change(self, name: str, number: int) -> None:
        """A deal is made in the workspace, and told of."""
        deal = _deal(number)
        (record,) = TWENTY.shown(deal)
        self.fake.records.setdefault("opportunities", []).append(dict(record.body))
        account = Account(name, ("a secret of no worth",), None)
        for signed in TWENTY.deliveries(Step(deal.changed_at, deal), account, _now()):
            await deliver(self.client, name, signed)


def _deal(number: int) -> SimulatedDeal:
    at = _now().replace(microsecond=0)
    return SimulatedDeal(
        number, f"Deal {number}", Decimal(7), "EUR", "prospecting", 1, 1, at.date(), created_at=at, changed_at=at
    )


@pytest.fixture
async def workspaces(settings: Settings, database: Database, tmp_path: Path) -> AsyncIterator[_Workspaces]:
    fake = FakeTwenty()
    async with fake.serving() as url:
        served = settings.model_copy(update={"ingest_sources_file": tmp_path / "sources.json"})
        async with applications(served, database) as client:
            yield _Workspaces(fake, tmp_path, settings, url, client)


# The keeper


async def test_a_subscription_is_made_renewed_and_made_again(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    fake = FakeZoho(SystemClock(), longest=timedelta(seconds=4))
    async with fake.serving() as url:
        app = {"client_id": "client-1", "client_secret": "secret-1", "refresh_token": fake.refresh_token}
        said = entry("zoho", "our-token", {"api_url": url, "accounts_url": url, "currency": "EUR", **app})
        public = settings.model_copy(update={"ingest_public_url": "https://in.example.com"})
        chosen = configured(public, tmp_path, {"zoho": said})
        async with applications(chosen, database) as client, upkeep(chosen, database, every=_SELDOM):
            made = await shown(client, "zoho", lambda one: one["subscription"] is not None)
            assert made["subscription"]["detail"] == "created"
            (channel,) = fake.channels.values()
            assert (channel["notify_url"], channel["token"]) == (made["url"], "our-token")
            assert made["url"] == "https://in.example.com/v1/webhooks/zoho"
            renewed = await shown(client, "zoho", lambda one: one["subscription"]["detail"] == "renewed")
            assert renewed["subscription"]["expires_at"] > made["subscription"]["expires_at"]
            assert fake.calls.count("POST actions/watch") == 1, "it never ended"
            fake.channels.clear()
            await shown(client, "zoho", lambda one: one["subscription"]["detail"] == "created")
            assert fake.calls.count("POST actions/watch") == 2
            assert list(fake.channels) == [channel["channel_id"]]


# The feed


async def test_a_feed_is_followed_from_where_it_was_and_a_lost_place_polls_everything(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    org = FakeSalesforce()
    bus = FakeBus(lambda: org.tokens, lambda: org.url, ORGANIZATION)
    steps = story(things=6, begin=_now() - timedelta(days=400), span=timedelta(hours=4))
    first, second, *others = [one for one in steps if one.before is None]
    async with org.serving() as url, bus.serving() as pubsub_url:
        said = entry("salesforce", "a secret of no worth", org_settings(org, url, pubsub_url=pubsub_url))
        chosen = configured(settings, tmp_path, {"fed": said})
        async with applications(chosen, database) as client:
            await tell_stages(client, "fed", ADAPTERS["salesforce"])
            async with upkeep(chosen, database, every=_SELDOM):
                await polled(client, "fed", _now() - timedelta(minutes=1))
                await _is_taken(bus.subscribed)
                await happens(org, bus, first)
                place = _place(bus)
                await followed(database, "fed", place)
                assert (await deal_said(database, "fed", _deal_of(first)))["title"] == record_of(first)["Name"]
            bus.subscribed.clear()
            await happens(org, bus, second)
            async with upkeep(chosen, database, every=_SELDOM):
                await followed(database, "fed", _place(bus))
                assert (await deal_said(database, "fed", _deal_of(second)))["title"] == record_of(second)["Name"]
                assert base64.b64encode(bus.requests[1].replay_id).decode() == place
            for step in others:  # long ago, and of these nothing ever tells
                org.records["Opportunity"].append(record_of(step))
            bus.events.clear()
            async with upkeep(chosen, database):
                for step in others:
                    await _is_titled(database, _deal_of(step), record_of(step)["Name"])
            assert [one.replay_preset for one in bus.requests[-2:]] == [messages.CUSTOM, messages.LATEST]


async def _is_titled(database: Database, subject: str, title: str) -> None:
    async with asyncio.timeout(_DEADLINE):
        while (await deal_said(database, "fed", subject)).get("title") != title:  # noqa: ASYNC110 - another task's doing
            await asyncio.sleep(0.05)


def _place(bus: FakeBus) -> str:
    return base64.b64encode(bus.events[-1][0]).decode()


def _deal_of(step: Step) -> str:
    return f"fed:{record_of(step)['Id']}"


async def _is_taken(event: asyncio.Event) -> None:
    async with asyncio.timeout(_DEADLINE):
        await event.wait()


# Several workers, several sources, and defects


def _noting(seen: list[str], mark: str = "") -> Reached:
    """Notes whose jobs begin."""

    def reached(requester: Requester, clock: Clock, connected: Connected) -> Reach:
        seen.append(mark or connected.account.name)
        return at_any_rate(requester, clock, connected)

    return reached


async def test_one_of_two_workers_leads_and_the_other_takes_over(workspaces: _Workspaces, database: Database) -> None:
    chosen = workspaces.configure(led="led:")
    leading: list[str] = []
    async with AsyncExitStack() as second, AsyncExitStack() as first:
        await first.enter_async_context(upkeep(chosen, database, reached=_noting(leading, "first")))
        await polled(workspaces.client, "led", _now())
        await second.enter_async_context(upkeep(chosen, database, reached=_noting(leading, "second")))
        await polled(workspaces.client, "led", _now())
        assert leading == ["first"]
        await first.aclose()
        await polled(workspaces.client, "led", _now())
        assert leading == ["first", "second"]


async def test_a_changed_file_begins_only_that_source_anew(workspaces: _Workspaces, database: Database) -> None:
    begun: list[str] = []
    chosen = workspaces.configure(calm="calm:", changed="changed:")
    async with upkeep(chosen, database, reached=_noting(begun)):
        for name in ("calm", "changed"):
            await polled(workspaces.client, name, _now())
        assert begun == ["calm", "changed"]
        workspaces.configure(calm="calm:", changed="otherwise:", added="added:")
        later = _now() + timedelta(seconds=3)
        for name in ("calm", "changed", "added"):
            await polled(workspaces.client, name, later)
        assert begun == ["calm", "changed", "changed", "added"]


class _Defective:
    """An API client with a defect."""

    at_once = 1

    async def read(self, kind: str, ids: Sequence[str]) -> Sequence[Record]:
        raise KeyError(kind, ids)

    async def changed(self, kind: str, since: datetime, until: datetime, page: str | None) -> Changed:
        raise KeyError(kind, since, until, page)

    async def stages(self) -> Sequence[StageFound]:
        return []


@pytest.mark.parametrize("at_once", [True, False], ids=["connecting", "calling"])
async def test_a_defect_in_one_client_stops_nothing_else(
    workspaces: _Workspaces, database: Database, *, at_once: bool
) -> None:
    def reached(requester: Requester, clock: Clock, connected: Connected) -> Reach:
        if connected.account.name != "defective":
            return at_any_rate(requester, clock, connected)
        if at_once:
            raise KeyError(connected.account.name)
        return Reach(api=_Defective())

    name = f"sound-{int(at_once)}"
    chosen = workspaces.configure(defective="defective:", **{name: f"{name}:"})
    async with upkeep(chosen, database, reached=reached):
        await tell_stages(workspaces.client, name, ADAPTERS["twenty"])
        await workspaces.change(name, 500 + int(at_once))
        await polled(workspaces.client, name, _now() + timedelta(seconds=1))
    assert (await shown(workspaces.client, "defective", lambda _: True))["polls"] == []


async def test_terminated_connections_are_opened_again(workspaces: _Workspaces, database: Database) -> None:
    chosen = workspaces.configure(steady="steady:")
    begun: list[str] = []
    async with upkeep(chosen, database, reached=_noting(begun)):
        await polled(workspaces.client, "steady", _now())
        for number in range(2):
            await execute(
                workspaces.settings.database_url.get_secret_value(),
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()",
            )
            await polled(workspaces.client, "steady", _now())
            assert len(begun) == number + 2, "leadership was lost with its connection, and won again"
