"""An org to talk to, and a clock that the tests move."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from services.ingest.sources import reach
from services.ingest.sources.adapter import Account, Rate
from services.ingest.sources.api import Feed, SourceApi
from services.ingest.sources.calling import Calling
from services.ingest.sources.salesforce.adapter import ADAPTER, SalesforceSettings
from shared.http.client import Requester
from tests.integration.sources.salesforce.bus import FakeBus
from tests.integration.sources.salesforce.fake import ORGANIZATION, FakeSalesforce

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


@dataclass(slots=True)
class StageClock:
    """Stands still until it is moved."""

    seconds: float = 0

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds


@dataclass(frozen=True, slots=True)
class Stage:
    """The fakes, and what speaks with them."""

    org: FakeSalesforce
    bus: FakeBus
    clock: StageClock
    calling: Calling
    pubsub_url: str

    def account(self, **settings: Any) -> Account:
        said = {
            "organization_id": ORGANIZATION,
            "currency": "USD",
            "login_url": f"{self.org.url}/",
            "client_id": "app",
            "client_secret": "app-secret",
            "pubsub_url": self.pubsub_url,
        }
        return Account("acme", ("s1",), msgspec.convert({**said, **settings}, SalesforceSettings))

    def api(self, **settings: Any) -> SourceApi:
        found = reach(ADAPTER, self.account(**settings), self.calling).api
        assert found is not None
        return found

    def feed(self, **settings: Any) -> Feed:
        found = reach(ADAPTER, self.account(**settings), self.calling).feed
        assert found is not None
        return found


@asynccontextmanager
async def opened() -> AsyncIterator[Stage]:
    """Both fakes, serving on this machine."""
    org, clock = FakeSalesforce(), StageClock()
    bus = FakeBus(lambda: org.tokens, lambda: org.url, ORGANIZATION)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(org.serving())
        pubsub_url = await stack.enter_async_context(bus.serving())
        requester = await stack.enter_async_context(Requester())
        yield Stage(org, bus, clock, Calling(requester, clock, Rate(1_000_000, 1)), pubsub_url)
