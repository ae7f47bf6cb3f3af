"""What a source's API can do for us. An adapter that has one has an `api.py` in its folder, with a function
`connect(account, calling) -> Reach`; tests run it against a local fake, over real HTTP.
"""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from services.ingest.sources.adapter import Delivery, Record


@dataclass(frozen=True, slots=True)
class Changed:
    """One page of what changed."""

    records: Sequence[Record]
    next_page: str | None = None
    """What to hand to `changed` for the next page; None after the last."""


@dataclass(frozen=True, slots=True)
class StageFound:
    """One stage as the source has it, for the proposal of a stage map."""

    pipeline: str
    label: str
    """As `adapt` and `read` say it."""
    title: str
    outcome: str = ""
    """`won` or `lost` if the source says so."""


class SourceApi(Protocol):
    """Reads objects. Every method may raise what `Calling` raises: TryLaterError, CredentialsError, ApiAnswerError."""

    at_once: int
    """How many ids `read` takes in one call."""

    async def read(self, kind: str, ids: Sequence[str]) -> Sequence[Record]:
        """The objects as they are now, in any order; one that is not there any more comes back `gone`."""

    async def changed(self, kind: str, since: datetime, until: datetime, page: str | None) -> Changed:
        """What changed in [since, until), page after page; deleted objects as `gone` where the source tells of them.

        What changes while we page may come twice or later, but nothing older than `until` may be missed.
        """

    async def stages(self) -> Sequence[StageFound]:
        """The stages of its deals in their order; empty if it has none. Also shows that the credentials are good."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """What the source knows of where to send us its events."""

    id: str
    expires_at: datetime | None
    """None if it does not expire."""
    detail: str = ""
    """What was done, or what is wrong, in words for the operator."""


class Keeper(Protocol):
    """Keeps the source's subscription to us alive."""

    async def keep(self, url: str, known: Subscription | None) -> Subscription:
        """Look at the subscription; create, renew or re-create it as needed; what it is now. Safe to repeat.

        `url` is where the source must send to; `known` is what the last call returned.
        """


@dataclass(frozen=True, slots=True)
class Fed:
    """Some messages of a feed, and the place after them."""

    deliveries: Sequence[Delivery]
    position: str


class Feed(Protocol):
    """For sources from which we pull a stream instead of being called."""

    def follow(self, position: str | None) -> AsyncGenerator[Fed, None]:
        """The messages after `position` (None: from now on), for as long as the connection lasts. `adapt` reads each
        delivery; the position is stored after they were committed. Raises as SourceApi; also PositionLostError, when
        the source no longer keeps what comes after `position`: then everything is polled."""


class PositionLostError(Exception):
    """The feed does not go back to our position any more."""


@dataclass(frozen=True, slots=True)
class Reach:
    """What of a source can be reached with the credentials that its settings hold."""

    api: SourceApi | None = None
    keeper: Keeper | None = None
    feed: Feed | None = None


NOTHING = Reach()
"""Of a source without credentials: only its webhooks are heard."""
