"""One line for each trouble of a library that says the same several times a second, and one when it is over."""

import logging
import threading
from dataclasses import dataclass

import structlog

from shared.kernel.clock import Clock

_MOST = 200
"""Troubles told apart; beyond, one stands for all lines of its logger."""
_log = structlog.stdlib.get_logger("quintant.libraries")


@dataclass(slots=True)
class _Trouble:
    began: float
    told: float
    last: float
    times: int = 1
    untold: int = 0


class Repeats(logging.Filter):
    """Holds back what loggers below these names repeat: told again once a minute with how often, and when it ended.

    A trouble is over when nothing was said of it for `quiet` seconds.
    """

    def __init__(self, names: tuple[str, ...], clock: Clock, *, quiet: float = 15.0, again: float = 60.0) -> None:
        super().__init__()
        self._names = names
        self._clock = clock
        self._quiet = quiet
        self._again = again
        self._lock = threading.Lock()
        self._troubles: dict[tuple[str, str], _Trouble] = {}
        self._watching = False

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written."""
        if record.name.partition(".")[0] not in self._names:
            return True
        now = self._clock.monotonic()
        with self._lock:
            key = (record.name, record.getMessage())
            if key not in self._troubles and len(self._troubles) >= _MOST:
                key = (record.name, "")
            trouble = self._troubles.get(key)
            if trouble is None:
                self._troubles[key] = _Trouble(now, now, now)
                self._watch()
                return True
            trouble.last = now
            trouble.times += 1
            trouble.untold += 1
            if now - trouble.told < self._again:
                return False
            record.msg, record.args = f"{record.getMessage()} (said {trouble.untold} times since the last line)", ()
            trouble.told, trouble.untold = now, 0
            return True

    def _watch(self) -> None:
        if not self._watching:
            self._watching = True
            timer = threading.Timer(self._quiet / 2, self._look)
            timer.daemon = True
            timer.start()

    def _look(self) -> None:
        """What has ended; goes on looking while something has not."""
        now = self._clock.monotonic()
        with self._lock:
            over = {key: one for key, one in self._troubles.items() if now - one.last >= self._quiet}
            for key in over:
                del self._troubles[key]
            self._watching = False
            if self._troubles:
                self._watch()
        for (name, said), one in over.items():
            if one.times > 1:
                _log.info(
                    "library_quiet_again",
                    library=name,
                    said=said,
                    times=one.times,
                    seconds=round(one.last - one.began, 1),
                )
