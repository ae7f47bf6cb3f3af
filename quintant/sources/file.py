"""The sources file: which sources ingest listens to, with their secrets. Ingest reads it again when it changes."""

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from quintant.stack.errors import StackError
from quintant.stack.home import Home, write_private

VARIABLE = "QUINTANT_INGEST_SOURCES_FILE"
_Entries = dict[str, msgspec.Raw]
T = TypeVar("T")


class LiveSecret(msgspec.Struct, frozen=True):
    """One secret, and since when it is live."""

    value: str
    since: date

    def __repr__(self) -> str:
        return "LiveSecret(…)"


class Entry(msgspec.Struct, frozen=True):
    """One source as it stands in the file."""

    adapter: str
    secrets: tuple[LiveSecret, ...]
    settings: msgspec.Raw = msgspec.Raw(b"{}")

    def __repr__(self) -> str:
        return f"Entry({self.adapter!r}, …)"

    def settings_said(self) -> dict[str, Any]:
        """The settings, by name."""
        said: dict[str, Any] = msgspec.json.decode(self.settings)
        return said


def entry(adapter: str, secret: str, since: date, settings: Mapping[str, Any]) -> Entry:
    """What to write for a new source."""
    return Entry(adapter, (LiveSecret(secret, since),), msgspec.Raw(msgspec.json.encode(settings)))


@dataclass(frozen=True, slots=True)
class SourcesFile:
    """Changes one entry at a time and leaves the bytes of all others as they are."""

    path: Path
    in_place: bool = False
    """Keep the file itself, with its mode: a container holds on to the file with which it was started."""

    @classmethod
    def find(cls, home: Home) -> "SourcesFile":
        """The caller's own file, else that of the local stack."""
        named = os.environ.get(VARIABLE)
        return cls(Path(named or home.sources_file).resolve(), in_place=bool(named))

    def find_entry(self, name: str) -> Entry | None:
        """The entry of this name."""
        raw = self._entries(self._read()).get(name)
        return None if raw is None else self._decode(raw, Entry)

    def load_entry(self, name: str) -> Entry:
        """The entry of this name; a wrong name is answered with the right ones."""
        found = self.find_entry(name)
        if found is None:
            names = ", ".join(self._entries(self._read())) or "none"
            raise StackError(f"{name} is not in {self.path}", advice=f"In it: {names}.")
        return found

    def add(self, name: str, made: Entry) -> None:
        """Add an entry; one of this name is never replaced."""

        def change(entries: _Entries) -> None:
            if name in entries:
                raise StackError(
                    f"{name} is in {self.path} already", advice="Choose another --name, or remove it first."
                )
            entries[name] = _encode(made)

        self._change(change)

    def replace_secrets(self, name: str, now: tuple[LiveSecret, ...]) -> None:
        """Give an entry these secrets instead."""

        def change(entries: _Entries) -> None:
            raw = entries.get(name)
            if raw is None:
                raise StackError(f"{name} is no longer in {self.path}")
            entries[name] = _encode(msgspec.structs.replace(self._decode(raw, Entry), secrets=now))

        self._change(change)

    def remove(self, name: str) -> None:
        """Take an entry out."""
        self._change(lambda entries: entries.pop(name, None))

    def _change(self, change: Callable[[_Entries], object]) -> None:
        with self._locked():
            whole = self._read()
            entries = self._entries(whole)
            change(entries)
            whole["sources"] = msgspec.Raw(msgspec.json.encode(entries))
            try:
                self._write(msgspec.json.format(msgspec.json.encode(whole)) + b"\n")
            except OSError as error:
                raise StackError(f"{self.path} cannot be written: {error.strerror}") from error

    def _write(self, content: bytes) -> None:
        if not (self.in_place and self.path.exists()):
            write_private(self.path, content)
            return
        # Whoever reads half of it keeps what it had; should we end half-way, all of it is beside the file.
        copy = self.path.with_name(f".{self.path.name}.copy")
        write_private(copy, content)
        with self.path.open("r+b") as stream:
            stream.write(content)
            stream.truncate()
            stream.flush()
            os.fsync(stream.fileno())
        copy.unlink()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Two commands at once must not lose an entry. Beside the file, because the file itself is replaced."""
        lock = self.path.with_name(f".{self.path.name}.lock")
        try:
            handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StackError(f"{self.path} cannot be written: {error.strerror}") from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _read(self) -> _Entries:
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise StackError(f"{self.path} cannot be read: {error.strerror}") from error
        return self._decode(content, _Entries)

    def _entries(self, whole: _Entries) -> _Entries:
        return self._decode(whole["sources"], _Entries) if "sources" in whole else {}

    def _decode(self, content: bytes | msgspec.Raw, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(content, type=kind)
        except msgspec.DecodeError:
            # Without the decoder's words: they may repeat what stands there, and secrets do.
            raise StackError(
                f'{self.path} is not a sources file: {{"sources": {{NAME: {{"adapter", "secrets", "settings"}}}}}}',
                advice="Mend it by hand; it was left as it is.",
            ) from None


def _encode(made: Entry) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(made))
