"""A file that people change while a process runs, such as that of the sources: to look costs more than its use."""

import asyncio
import os
from pathlib import Path


class WatchedFile:
    """Looked at once in a turn of the event loop: what was sent after a change arrives in a later turn."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._stamp: tuple[int, int, int] | None = None
        self._looked = False

    @property
    def is_there(self) -> bool:
        """Whether it was, when it was last looked at."""
        return self._stamp is not None

    def has_changed(self) -> bool:
        """Whether it is another one than when this was last asked. At first there is none."""
        if self._looked:
            return False
        before, self._stamp = self._stamp, self._stamped()
        try:
            asyncio.get_running_loop().call_soon(self._look_again)
        except RuntimeError:
            return before != self._stamp  # without a loop there are no turns
        self._looked = True
        return before != self._stamp

    def _look_again(self) -> None:
        self._looked = False

    def _stamped(self) -> tuple[int, int, int] | None:
        try:
            status = os.stat(self._path) if self._path else None  # noqa: PTH116 - Path.stat takes twice as long
        except OSError:
            return None
        return (status.st_mtime_ns, status.st_size, status.st_ino) if status else None
