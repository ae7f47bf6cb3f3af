"""What a person does in the source: the address, and each step with everything filled in."""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

from quintant.sources.cards import Card
from quintant.sources.file import Entry

_HOLE = re.compile(r"\{(\w+)\}")
_HOW = (
    "Put a proxy that speaks TLS or a tunnel before ingest (port 8101), say its address with "
    "QUINTANT_INGEST_PUBLIC_URL=https://… and run `quintant up` again."
)


@dataclass(frozen=True, slots=True)
class Filling:
    """What goes into the steps of one source."""

    card: Card
    public_url: str
    name: str
    settings: Mapping[str, Any] = field(repr=False)
    secret: str | None = field(default=None, repr=False)
    """None: not to be shown."""

    @property
    def url(self) -> str:
        """Where the source must send to."""
        address = f"{self.public_url.rstrip('/')}/v1/webhooks/{self.name}"
        if not self.card.secret.in_url:
            return address
        key = self._placeholder(self.card.secret.title) if self.secret is None else quote(self.secret, safe="")
        return f"{address}/{key}"

    def steps(self) -> list[str]:
        """The steps; what is not known or not to be shown is named instead."""
        return [_HOLE.sub(lambda hole: self._value(hole[1], hole[0]), step) for step in self.card.steps]

    @property
    def names_secret(self) -> bool:
        """Whether the steps or the address show the secret."""
        return self.card.secret.in_url or any("secret" in _HOLE.findall(step) for step in self.card.steps)

    def _value(self, hole: str, as_written: str) -> str:
        if hole == "url":
            return self.url
        if hole == "secret":
            return self._placeholder(self.card.secret.title) if self.secret is None else self.secret
        question = next((one for one in self.card.questions if one.name == hole), None)
        if question is None:
            return as_written
        said = self.settings.get(hole, question.default)
        return self._placeholder(question.asked_as) if question.secret or said is None else str(said)

    @staticmethod
    def _placeholder(title: str) -> str:
        return f"‹{title}›"


def of_entry(card: Card, public_url: str, name: str, made: Entry, *, reveal: bool) -> Filling:
    """For a source as it stands in the file, with its newest secret if that may be shown."""
    secret = made.secrets[-1].value if reveal and made.secrets else None
    return Filling(card, public_url, name, made.settings_said(), secret)


def address_trouble(url: str) -> tuple[str, str] | None:
    """Why a source elsewhere cannot send to this address, and what to do about it; None if it can."""
    parts = urlsplit(url)
    if _is_loopback(parts.hostname or ""):
        return "This address is reached from this machine only.", _HOW
    if parts.scheme != "https":
        return "This address is not https: what is sent can be read on the way, and most sources refuse it.", _HOW
    return None


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified
