"""What ingest says about adapters and sources, as these commands read it."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Literal

import msgspec

from quintant.client import Client
from quintant.stack.errors import StackError


class Question(msgspec.Struct, frozen=True):
    """One setting that an adapter asks for."""

    name: str
    type: Literal["text", "number", "boolean", "mapping", "choice"]
    title: str | None = None
    description: str | None = None
    secret: bool = False
    required: bool = False
    default: Any = None
    choices: tuple[str, ...] | None = None

    @property
    def asked_as(self) -> str:
        """What a person reads."""
        return self.title or self.name


class SecretCard(msgspec.Struct, frozen=True):
    """The secret with which deliveries are signed, and who makes it up."""

    title: str
    origin: Literal["source", "ours"]
    in_url: bool = False


class Card(msgspec.Struct, frozen=True):
    """One kind of source."""

    name: str
    title: str
    authentication: str
    secret: SecretCard
    steps: tuple[str, ...] = ()
    stages: Mapping[str, str] = msgspec.field(default_factory=dict)
    simulates: bool = False
    questions: tuple[Question, ...] = ()

    @property
    def page(self) -> str:
        """Its page, from the project's folder."""
        return f"services/ingest/sources/{self.name.replace('-', '_')}/README.md"


class Fault(msgspec.Struct, frozen=True):
    """What is wrong with a source that is about to be written."""

    pointer: str
    reason: str


class StageFound(msgspec.Struct, frozen=True):
    """One stage as the source's API has it."""

    pipeline: str
    label: str
    title: str = ""
    outcome: str = ""


class Checked(msgspec.Struct, frozen=True):
    """What ingest thinks of a source that is about to be written. `reached` is None where there is no API to reach."""

    faults: tuple[Fault, ...] = ()
    reached: bool | None = None
    detail: str = ""
    stages: tuple[StageFound, ...] = ()


class SecretAge(msgspec.Struct, frozen=True):
    """Since when a secret is in use."""

    since: date
    age_days: int


class Backlog(msgspec.Struct, frozen=True):
    """Objects that wait to be read from the source's API."""

    waiting: int
    oldest_at: datetime | None = None
    detail: str | None = None


class Poll(msgspec.Struct, frozen=True):
    """How far one kind of object has been polled."""

    kind: str
    through: datetime | None = None
    polled_at: datetime | None = None
    detail: str | None = None


class Coverage(msgspec.Struct, frozen=True):
    """What webhooks brought on a day, and what they missed."""

    day: date
    delivered: int = 0
    polled: int = 0
    reconciled: int = 0
    completeness: str | None = None


class Subscription(msgspec.Struct, frozen=True):
    """What the source knows of where to send its events."""

    id: str
    expires_at: datetime | None = None
    checked_at: datetime | None = None
    detail: str | None = None


class Source(msgspec.Struct, frozen=True):
    """One source as it stands. `name` and `adapter` are None if it is not configured, such as an import."""

    source: str
    name: str | None = None
    adapter: str | None = None
    title: str | None = None
    problem: str | None = None
    accepted: int = 0
    duplicate: int = 0
    rejected: int = 0
    quarantined: int = 0
    refused: Mapping[str, int] = msgspec.field(default_factory=dict)
    last_accepted_at: datetime | None = None
    last_occurred_at: datetime | None = None
    last_delivery_at: datetime | None = None
    deliveries_last_hour: int = 0
    secrets: tuple[SecretAge, ...] = ()
    backlog: Backlog | None = None
    polls: tuple[Poll, ...] = ()
    completeness: str | None = None
    coverage: tuple[Coverage, ...] = ()
    subscription: Subscription | None = None

    @property
    def heard(self) -> int:
        """How many events it has brought, whatever became of them."""
        return self.accepted + self.duplicate + self.rejected + self.quarantined


def cards(client: Client) -> list[Card]:
    """Every adapter."""
    return msgspec.convert(client.adapters(), list[Card])


def card_of(client: Client, adapter: str) -> Card:
    """One adapter; a wrong name is answered with the right ones."""
    found = {card.name: card for card in cards(client)}
    if adapter not in found:
        raise StackError(f"there is no adapter {adapter}", advice=f"Choose one of {', '.join(found)}.")
    return found[adapter]


class Listing(msgspec.Struct, frozen=True):
    """Every source that is configured or was ever heard; `problem` is about the sources file as a whole."""

    items: list[Source]
    problem: str | None = None


def sources(client: Client) -> Listing:
    """All of them."""
    return msgspec.convert(client.sources(), Listing)


def source(client: Client, name: str) -> Source:
    """One configured source."""
    return msgspec.convert(client.source(name), Source)
