"""A source's folder as data: its adapter, its vectors and its examples, read strictly.

A JSON `body` stands for its compact UTF-8 text with the keys in their order (`body_bytes`); `body_text` stands for
itself.
"""

import base64
import importlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from services.ingest.sources.adapter import Account, Adapter, Delivery, Record, Refusal

UNTIMED = datetime(2026, 1, 1, tzinfo=UTC)
"""When a delivery comes in whose scheme signs no time."""


@dataclass(frozen=True, slots=True)
class Source:
    """One folder and the package that it is."""

    folder: Path
    package: str

    @property
    def name(self) -> str:
        return self.folder.name.replace("_", "-")

    @property
    def adapter(self) -> Adapter:
        assert (self.folder / "adapter.py").is_file(), self.at("adapter.py", "is missing")
        try:
            found: Adapter = self.module("adapter").ADAPTER
        except Exception as error:
            raise AssertionError(self.at("adapter.py", f"cannot be loaded: {error!r}")) from error
        return found

    def module(self, part: str) -> ModuleType:
        return importlib.import_module(f"{self.package}.{part}")

    def at(self, file: str, what: str) -> str:
        """What is wrong, and where."""
        return f"{self.folder.name}/{file}: {what}"

    def examples(self) -> "Iterator[tuple[str, Example]]":
        for path in sorted((self.folder / "examples").glob("*.json")):
            yield f"examples/{path.name}", self.read(path, Example)

    def vectors(self) -> "list[Vector]":
        path = self.folder / "vectors.json"
        assert path.is_file(), self.at("vectors.json", "is missing")
        found: list[Vector] = self.read(path, Vectors).vectors
        return found

    def read(self, path: Path, kind: Any) -> Any:
        try:
            return msgspec.json.decode(path.read_bytes(), type=kind)
        except msgspec.DecodeError as error:
            file = str(path.relative_to(self.folder))
            raise AssertionError(self.at(file, f"does not have the agreed shape: {error}")) from error

    def account(self, file: str, secrets: list[str], settings: Mapping[str, object], name: str = "") -> Account:
        try:
            said = msgspec.convert(settings, self.adapter.settings)
        except msgspec.ValidationError as error:
            raise AssertionError(self.at(file, f"its settings are not the adapter's: {error}")) from error
        return Account(name or self.name, tuple(secrets), said)


def sources_in(root: Path, package: str) -> list[Source]:
    """Every folder below, whether or not it holds an adapter yet."""
    found = (folder for folder in sorted(root.iterdir()) if (folder / "__init__.py").is_file())
    return [Source(folder, f"{package}.{folder.name}") for folder in found]


def source_called(name: str) -> Source:
    """The source of this name."""
    package = "services.ingest.sources"
    folder = name.replace("-", "_")
    return Source(Path(importlib.import_module(f"{package}.{folder}").__path__[0]), f"{package}.{folder}")


class _Strict(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    pass


class Vector(_Strict, kw_only=True, frozen=True):
    """One delivery and whether it is genuine."""

    id: str
    origin: Literal["published", "derived", "made"]
    source: str
    valid: bool
    secret: str | UnsetType = UNSET
    secrets: list[str] | UnsetType = UNSET
    settings: dict[str, Any] = {}
    method: str = "POST"
    url: str = ""
    key: str = ""
    headers: dict[str, str]
    body: str | UnsetType = UNSET
    body_base64: str | UnsetType = UNSET
    now: float | None
    reason: Refusal | None = None
    note: str = ""

    @property
    def all_secrets(self) -> list[str]:
        one = [] if self.secret is UNSET else [self.secret]
        return one if self.secrets is UNSET else [*one, *self.secrets]

    @property
    def bytes(self) -> bytes:
        assert (self.body is UNSET) != (self.body_base64 is UNSET), f"{self.id}: needs one of body and body_base64"
        return self.body.encode() if isinstance(self.body, str) else base64.b64decode(str(self.body_base64))

    @property
    def delivery(self) -> Delivery:
        return Delivery(
            _lower(self.headers),
            self.bytes,
            UNTIMED if self.now is None else datetime.fromtimestamp(self.now, UTC),
            self.method,
            self.url,
            self.key,
        )


class Vectors(_Strict, kw_only=True, frozen=True):
    """vectors.json."""

    vectors: list[Vector]
    note: str = ""


class SaidAccount(_Strict, kw_only=True, frozen=True):
    """The account of an example. Without a name it is called as the source: `pipedrive:8` is its deal 8."""

    name: str = ""
    secrets: list[str] = []
    settings: dict[str, Any] = {}


class SaidRequest(_Strict, kw_only=True, frozen=True):
    """One request; `body` is any JSON value."""

    method: str = "POST"
    url: str = ""
    key: str = ""
    headers: dict[str, str] = {}
    body: Any = UNSET
    body_text: str | UnsetType = UNSET
    body_base64: str | UnsetType = UNSET

    @property
    def bytes(self) -> bytes:
        said = [one for one in (self.body, self.body_text, self.body_base64) if one is not UNSET]
        assert len(said) == 1, "needs one of body, body_text and body_base64"
        if isinstance(self.body_text, str):
            return self.body_text.encode()
        return base64.b64decode(self.body_base64) if isinstance(self.body_base64, str) else body_bytes(self.body)

    def delivery(self, now: float) -> Delivery:
        at = datetime.fromtimestamp(now, UTC)
        return Delivery(_lower(self.headers), self.bytes, at, self.method, self.url, self.key)


class SaidRecord(_Strict, kw_only=True, frozen=True):
    """One object as the API gives it; `read_at` in Unix seconds or RFC 3339."""

    kind: str
    id: str
    read_at: float | datetime
    body: Any = UNSET
    body_text: str | UnsetType = UNSET
    gone: bool = False

    @property
    def record(self) -> Record:
        at = self.read_at if isinstance(self.read_at, datetime) else datetime.fromtimestamp(self.read_at, UTC)
        text = self.body_text.encode() if isinstance(self.body_text, str) else b""
        return Record(self.kind, self.id, at, text if self.body is UNSET else body_bytes(self.body), gone=self.gone)


class SaidEvent(_Strict, kw_only=True, frozen=True):
    """One event as an example says it; `id` only where it is worth saying."""

    entity: str
    subject: str
    time: datetime
    sequence: int = 0
    id: str = ""
    cause: str = ""
    ended: bool | UnsetType = UNSET
    data: dict[str, Any]


class SaidRead(_Strict, kw_only=True, frozen=True):
    """One object to be read again."""

    kind: str
    id: str


class SaidReading(_Strict, kw_only=True, frozen=True):
    """What a delivery or a record says. `refused`: where the fault of each refused event stands."""

    events: list[SaidEvent] = []
    reads: list[SaidRead] = []
    unknown: str = ""
    refused: list[str] = []


class Example(_Strict, kw_only=True, frozen=True):
    """One file of examples/. `feed` instead of `request`: a message that we pulled, which nobody signed."""

    title: str
    account: SaidAccount
    reading: SaidReading
    request: SaidRequest | None = None
    feed: SaidRequest | None = None
    record: SaidRecord | None = None
    now: float = UNTIMED.timestamp()

    def account_of(self, source: Source, file: str) -> Account:
        return source.account(file, self.account.secrets, self.account.settings, self.account.name)

    @property
    def delivery(self) -> Delivery | None:
        said = self.request or self.feed
        return said.delivery(self.now) if said else None


def body_bytes(value: object) -> bytes:
    """Compact JSON in UTF-8, keys in their order."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
