"""How a process ends: one deadline from the first signal to the exit, and no waiting after the second signal."""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import Context
from types import FrameType

from shared.kernel.clock import Clock
from shared.telemetry.logging import get_logger

DRAIN_SECONDS = 25.0
EXIT_DEADLINE_PASSED = 4
EXIT_SECOND_SIGNAL = 130

_log = get_logger("quintant.runtime")


class Shutdown:
    """Made once a process; roles wait for `requested` and finish what they have in hand within `remaining()`."""

    def __init__(self, clock: Clock, *, drain_seconds: float = DRAIN_SECONDS) -> None:
        self.requested = asyncio.Event()
        self._clock = clock
        self._drain_seconds = drain_seconds
        self._deadline: float | None = None
        self._timer: threading.Timer | None = None

    def begin(self, reason: str) -> None:
        """Ask everything to end; the first reason counts. To be called in the loop's thread."""
        self._start_deadline()
        if not self.requested.is_set():
            _log.info("shutdown_began", reason=reason, within_seconds=self._drain_seconds)
            self.requested.set()

    def _start_deadline(self) -> None:
        if self._deadline is not None:
            return
        self._deadline = self._clock.monotonic() + self._drain_seconds
        # A thread, because a loop that hangs or a client that never closes is what the deadline is for.
        self._timer = threading.Timer(self._drain_seconds, _give_up, (self._drain_seconds,))
        self._timer.daemon = True
        self._timer.start()

    def remaining(self) -> float:
        """Seconds until the process is ended by force; the whole drain time while nobody asked."""
        if self._deadline is None:
            return self._drain_seconds
        return max(0.0, self._deadline - self._clock.monotonic())

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """SIGTERM and SIGINT begin the shutdown; the second one ends the process at once."""
        loop = asyncio.get_running_loop()
        seen = 0

        def handle(number: int, _frame: FrameType | None) -> None:
            nonlocal seen
            seen += 1
            if seen > 1:
                os._exit(EXIT_SECOND_SIGNAL)
            self._start_deadline()
            # A context of its own: the handler interrupts some request, whose trace this is not.
            loop.call_soon_threadsafe(self.begin, signal.Signals(number).name, context=Context())

        before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def done(self) -> None:
        """The process ended by itself: nothing has to be ended by force."""
        if self._timer is not None:
            self._timer.cancel()


def _give_up(seconds: float) -> None:
    sys.stderr.write(f"not finished {seconds:g} s after the signal: the process is ended\n")
    sys.stderr.flush()
    os._exit(EXIT_DEADLINE_PASSED)
