"""What an adapter is: how one kind of source signs and speaks, as pure functions over bytes.

Everything with a network in it (re-reading objects, subscriptions) is in the same folder's `api.py`, behind
`services.ingest.sources.api`. How to write one: docs/how-to/add-a-source.md.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal, Protocol

import msgspec
from msgspec import Meta

from shared.contracts.envelope import Event, Refused

Secret = Annotated[str, Meta(extra={"secret": True})]
"""A setting that is never shown: not in an answer, a log line, an error or a `repr`."""


class Refusal(StrEnum):
    """Why a delivery is not genuine. The sender is told none of it; the operator sees how often each happened."""

    MISSING = "missing-header"
    MALFORMED = "malformed"
    VERSION = "version"
    SIGNATURE = "signature"
    TIMESTAMP = "timestamp"


class SourceSettings(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """What a person says about one source. An adapter's own class adds its fields: a `Meta(title=…)` is the question
    that `quintant source add` asks, a `description` the help beside it; `Secret` fields are never shown."""

    id_prefix: Annotated[
        Annotated[str, Meta(max_length=60)] | None,
        Meta(
            title="Prefix of entity ids",
            description="Put before every id, so that deal 8 of two sources is not one deal; usual: the source's name "
            "and a colon. Empty to share ids with another source or an import.",
        ),
    ] = None
    pipelines: Annotated[
        dict[str, str],
        Meta(
            title="Pipelines",
            description="The source's own pipeline → a pipeline configured here; what is not named is the default one.",
        ),
    ] = msgspec.field(default_factory=dict)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"


class CanonicalSettings(SourceSettings, kw_only=True, frozen=True):
    """Of a source that speaks Quintant's contract: nothing to ask, its ids and pipelines are ours as they stand."""

    id_prefix: Annotated[Literal[""], Meta(description="Always empty: ids are taken as they stand.")] = ""
    pipelines: Annotated[dict[str, str], Meta(max_length=0, description="Always empty.")] = msgspec.field(
        default_factory=dict
    )


@dataclass(frozen=True, slots=True)
class Account:
    """One configured source: its name, its live secrets (two during a rotation) and its settings."""

    name: str
    secrets: tuple[str, ...] = field(repr=False)
    settings: Any = field(repr=False)
    """An instance of the adapter's `settings` class."""
    url: str = field(default="", repr=False)
    """Where its deliveries arrive, as far as this installation knows its public address."""

    @property
    def source(self) -> str:
        """The CloudEvents source of its events."""
        return f"/sources/{self.name}"

    def entity_id(self, foreign: str) -> str:
        """The id under which one of its objects is known here."""
        prefix: str | None = self.settings.id_prefix
        return f"{self.name}:{foreign}" if prefix is None else f"{prefix}{foreign}"

    def pipeline(self, foreign: str | None) -> str | None:
        """What to say as `pipeline_id` of a deal in one of its pipelines; None (cleared) is the default one."""
        pipelines: Mapping[str, str] = self.settings.pipelines
        return pipelines.get(foreign or "")


@dataclass(slots=True)
class Delivery:
    """One HTTP request as it came in, or one message of a feed. Nothing changes it."""

    headers: Mapping[str, str]
    """Lower-case names; a header that came several times is joined by `, ` (RFC 9110), which no signature survives."""
    body: bytes = field(repr=False)
    received_at: datetime
    method: str = "POST"
    url: str = field(default="", repr=False)
    """As the sender addressed it: public scheme, host, path and query."""
    key: str = field(default="", repr=False)
    """The last part of the path, for senders that cannot sign: /v1/webhooks/{source}/{key}."""


@dataclass(frozen=True, slots=True)
class ToRead:
    """An object of the source that has to be read from its API, because the delivery says too little about it."""

    kind: str
    """In the source's own words, such as `deals` or `NewOpportunityObj`: one of `Card.kinds`."""
    id: str
    """In the source."""
    cause: str | None = None
    """What led to it; the event that comes out names it."""


@dataclass(frozen=True, slots=True)
class Record:
    """One object as the source's API gave it."""

    kind: str
    id: str
    read_at: datetime
    body: bytes = field(repr=False)
    """JSON of this object alone, as it came."""
    gone: bool = False
    """The source says that it is deleted or not there; `body` may then be empty."""
    cause: str | None = None


class Reading(msgspec.Struct, frozen=True):
    """What a genuine delivery says."""

    delivery: str
    """Its identity for the quarantine: what the source calls it, else derived from its bytes."""
    events: Sequence[Event | Refused] = ()
    reads: Sequence[ToRead] = ()
    unknown: str = ""
    """What this adapter cannot read in it, in words for the operator: its bytes wait in the quarantine for a newer
    adapter. Empty if all of it was understood."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the source wants to hear after its delivery was committed, where that is not just any 2xx."""

    body: bytes
    media_type: str
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rate:
    """What a source documents: so many calls in so many seconds."""

    calls: int
    seconds: float


def _any_secret(secret: str) -> str | None:
    del secret
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What an adapter declares about its source: shown by GET /v1/adapters, `quintant source add` and its page."""

    title: str
    authentication: str
    """How a delivery is known to be genuine."""
    dedupe: str
    """From what the id of an event is made."""
    order: str
    """What orders the events of one object."""
    retries: str
    """What the source does when an answer is late or not 2xx."""
    hydration: str = "no: events are whole"
    """What is read again after a delivery, because deliveries say too little about it."""
    reconcile: str = "no API"
    """By what polling finds what changed."""
    keeper: str = "none to keep"
    """What is done for the source's subscription to us."""
    answer_seconds: float | None = None
    """How long the source waits for the answer; None if it does not say."""
    limits: str = ""
    """What its API allows, in words."""
    rate: Rate = Rate(100, 60)
    """How often its API is called at most: all that it documents, less what others of the company may need."""
    unverified: Sequence[str] = ()
    """What the vendor's documents do not settle; each is handled so that either answer does no harm."""
    secret_title: str = "Signing secret"  # noqa: S105 - a question, no secret
    """The question for `secrets`."""
    secret_origin: Literal["source", "ours"] = "source"  # noqa: S105
    """Whether the vendor shows the secret, or we make it up and it is typed into the vendor's form."""
    secret_fault: Callable[[str], str | None] = _any_secret
    """Why a secret cannot be one of this scheme, without showing it; None if it may be."""
    secret_in_url: bool = False
    """For senders that cannot sign: the secret is the last part of the URL."""
    steps: Sequence[str] = ()
    """What to do in the source, in order. `{url}`, `{secret}` and the names of settings are filled in."""
    kinds: Sequence[str] = ()
    """Objects that can be read through the source's API."""
    kept_headers: Sequence[str] = ()
    """Lower-case headers that `adapt` needs again at a replay; never credentials or signatures."""
    stages: Mapping[str, str] = field(default_factory=dict)
    """What the labels of the source's usual pipeline stand for: label → canonical stage. A proposal for
    `quintant source add`, which sends it as a stage-map event."""
    canonical: bool = False
    """The source speaks Quintant's own contract: what is wrong is refused with 4xx. Everybody else's content is never
    refused, because a refusal is retried and then lost: it waits in the quarantine."""


class Adapter(Protocol):
    """One kind of source. Pure: no I/O, no clock, no randomness."""

    name: ClassVar[str]
    card: ClassVar[Card]
    settings: ClassVar[type[SourceSettings]]

    def verify(self, delivery: Delivery, account: Account) -> Refusal | None:
        """None if the delivery is genuine. Compares in constant time against every secret; without secrets (an unknown
        source) it does the same work and refuses."""

    def adapt(self, delivery: Delivery, account: Account) -> Reading:
        """What a genuine delivery says. Raises MalformedError or another QuintantError for a body it cannot read; it
        then waits in the quarantine (or is refused, if `card.canonical`)."""

    def read(self, record: Record, account: Account) -> Sequence[Event]:
        """What an object read from the source's API says: all of it, dated with the object's own time of change, or
        with `read_at` where it has none. Raises QuintantError for what it cannot read."""

    def reply(self, delivery: Delivery, account: Account) -> Reply | None:
        """What the source wants to hear; None for the usual JSON answer."""
