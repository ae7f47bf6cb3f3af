"""Which keys came before, and with what content: in a private file on disk, so memory does not grow with the rows."""

import sqlite3
from hashlib import blake2b
from types import TracebackType
from typing import NamedTuple, Self


class Earlier(NamedTuple):
    """Where a key came first."""

    same: bool
    """With the same content."""
    file: str
    row: int


class Seen:
    """Remembers keys for as long as it is open."""

    def __init__(self) -> None:
        # An empty name: SQLite's own temporary file, gone when it is closed. Its caller may read rows in several
        # threads, one after the other.
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute(
            "CREATE TABLE seen (key TEXT PRIMARY KEY, content BLOB, file TEXT, row INTEGER) WITHOUT ROWID"
        )
        self._database.execute("BEGIN")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    def earlier(self, key: str, content: bytes) -> Earlier | None:
        """Where the key came first; None if it is new."""
        found = self._database.execute("SELECT content, file, row FROM seen WHERE key = ?", (key,)).fetchone()
        return None if found is None else Earlier(found[0] == _digest(content), found[1], found[2])

    def remember(self, key: str, content: bytes, file: str, row: int) -> bool:
        """Remember a key; False, and nothing changes, if it came before."""
        cursor = self._database.execute(
            "INSERT OR IGNORE INTO seen VALUES (?, ?, ?, ?)", (key, _digest(content), file, row)
        )
        return cursor.rowcount == 1


def _digest(content: bytes) -> bytes:
    return blake2b(content, digest_size=16).digest()
