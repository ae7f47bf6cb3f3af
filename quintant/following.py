"""Reads logs that others write: their last lines, and what is added while one watches."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from quintant.stack.errors import tail

_POLL_SECONDS = 0.2


def last_lines(logs: Sequence[Path], count: int) -> Iterator[tuple[str, str]]:
    """(name, line) of each log in turn."""
    for log in logs:
        for line in tail(log, count).splitlines():
            yield log.stem, line


def follow(logs: Sequence[Path]) -> Iterator[tuple[str, str]]:
    """(name, line) as lines are added, without end. A log that was set aside is followed under its new file."""
    places = {log: log.stat().st_size for log in logs}
    while True:
        quiet = True
        for log, place in places.items():
            size = log.stat().st_size if log.exists() else 0
            start = place if size >= place else 0
            lines, places[log] = _complete_lines(log, start) if size > start else ([], start)
            for line in lines:
                quiet = False
                yield log.stem, line
        if quiet:
            time.sleep(_POLL_SECONDS)


def _complete_lines(log: Path, start: int) -> tuple[list[str], int]:
    with log.open("rb") as stream:
        stream.seek(start)
        added = stream.read()
    whole = added[: added.rfind(b"\n") + 1]
    return whole.decode(errors="replace").splitlines(), start + len(whole)
