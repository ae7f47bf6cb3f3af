"""The configured sources: one JSON file, read again when it changes, so that a secret can be rotated without a restart.

{"sources": {"hubspot-eu": {"adapter": "hubspot", "secrets": [{"value": "…", "since": "2026-11-22"}], "settings": {}}}}
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import structlog

from services.ingest.sources import ADAPTERS
from services.ingest.sources.adapter import Account, Adapter
from services.ingest.watched import WatchedFile
from shared.kernel.errors import Fault

_LOG = structlog.get_logger(__name__)
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_PLACE = re.compile(r" - at `\$(?P<place>[^`]*)`$")
_MOST_SECRETS = 2


class SecretEntry(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One live secret, and since when it is."""

    value: str
    since: date

    def __repr__(self) -> str:
        return "SecretEntry(…)"


class SourceEntry(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One source as it stands in the file."""

    adapter: str
    secrets: tuple[SecretEntry, ...] = ()
    settings: Mapping[str, Any] = msgspec.field(default_factory=dict)

    def __repr__(self) -> str:
        return f"SourceEntry({self.adapter!r}, …)"


class _File(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    sources: Mapping[str, SourceEntry]


@dataclass(frozen=True, slots=True)
class Connected:
    """A configured source that can be used."""

    adapter: Adapter
    account: Account
    secrets_since: tuple[date, ...] = ()


@dataclass(frozen=True, slots=True)
class _Read:
    connected: Mapping[str, Connected] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)


class Accounts:
    """The sources of one file. Without the file there are none."""

    def __init__(self, path: Path | None, public_url: str = "") -> None:
        self._path = path
        self._public_url = public_url
        self._file = WatchedFile(path)
        self._read = _Read()

    def find(self, name: str) -> Connected | None:
        """The source of this name, if it is configured as it should be."""
        return self.all().get(name)

    def all(self) -> Mapping[str, Connected]:
        """Every usable source, by name."""
        self._refresh()
        return self._read.connected

    def problems(self) -> Mapping[str, str]:
        """What is wrong with the others, by name; under an empty name what is wrong with the file itself."""
        self._refresh()
        return self._read.problems

    def _refresh(self) -> None:
        if not self._file.has_changed():
            return
        self._read = self._parsed(self._path) if self._path and self._file.is_there else _Read()
        _LOG.info("sources_read", names=sorted(self._read.connected), problems=dict(self._read.problems))

    def _parsed(self, path: Path) -> _Read:
        """A file that cannot be read as a whole (it may be half written) changes nothing but the problem told."""
        try:
            file = msgspec.json.decode(path.read_bytes(), type=_File)
        except (msgspec.DecodeError, UnicodeDecodeError, OSError) as error:
            place = _PLACE.search(str(error))
            where = f"at {place['place'] or 'its outermost level'}" if place else "it is no JSON"
            problem = f"the sources file cannot be read ({where}): the sources stay as they were"
            return replace(self._read, problems={**self._read.problems, "": problem})
        return _connected(file, self._public_url)


def connect(name: str, entry: SourceEntry, public_url: str = "") -> tuple[Connected | None, list[Fault]]:
    """The source, or what is wrong with its entry; a fault never shows a value."""
    faults = [] if _NAME.fullmatch(name) else [Fault("/name", "use lower-case letters, digits and hyphens, at most 63")]
    adapter = ADAPTERS.get(entry.adapter)
    if adapter is None:
        return None, [*faults, Fault("/adapter", f"must be one of {', '.join(ADAPTERS)}")]
    if not 1 <= len(entry.secrets) <= _MOST_SECRETS or not all(one.value.strip() for one in entry.secrets):
        faults.append(Fault("/secrets", "must be one secret, or two during a rotation, none of them blank"))
    wrong = (adapter.card.secret_fault(one.value) for one in entry.secrets)
    faults += [Fault(f"/secrets/{place}", reason) for place, reason in enumerate(wrong) if reason]
    try:
        settings = msgspec.convert(dict(entry.settings), adapter.settings)
    except msgspec.ValidationError as error:
        return None, [*faults, _fault(error)]
    url = f"{public_url}/v1/webhooks/{name}" if public_url else ""
    account = Account(name, tuple(one.value for one in entry.secrets), settings, url)
    if faults:
        return None, faults
    return Connected(adapter, account, tuple(one.since for one in entry.secrets)), []


def _fault(error: msgspec.ValidationError) -> Fault:
    text = str(error)
    found = _PLACE.search(text)
    place = found["place"].replace(".", "/").replace("[...]", "/*") if found else ""
    reason = _PLACE.sub("", text)
    # The one message that repeats what was given: it might be a secret in the wrong place.
    return Fault(f"/settings{place}", "is not one of the choices" if "enum value" in reason else reason)


def _connected(file: _File, public_url: str) -> _Read:
    connected: dict[str, Connected] = {}
    problems: dict[str, str] = {}
    for name, entry in file.sources.items():
        found, faults = connect(name, entry, public_url)
        if found is None:
            problems[name] = told(faults)
        else:
            connected[name] = found
    return _Read(connected, problems)


def told(faults: Sequence[Fault]) -> str:
    """Faults in one line."""
    return "; ".join(f"{fault.where} {fault.reason}" for fault in faults)
