"""Named points at which a fault test may kill the process. In production none is set and reaching one does nothing."""

import os
import signal
from dataclasses import dataclass, field

NAMES = (
    "loop.fetched",
    "loop.decoded",
    "fold.advanced",
    "fold.folded",
    "fold.saved",
    "fold.appended",
    "fold.before_commit",
    "fold.committed",
    "refold.turn_committed",
    "loop.applied",
    "loop.offsets_committed",
    "relay.read",
    "relay.sent",
    "outbox.sent",
)
"""The closed list of points, in the order in which a batch passes them."""


@dataclass(slots=True)
class Failpoints:
    """`armed` is a name, or `name:3` for the third time that it is reached; empty for none."""

    armed: str = ""
    _left: int = field(init=False, default=1)

    def __post_init__(self) -> None:
        self.armed, _, count = self.armed.partition(":")
        if self.armed and self.armed not in NAMES:
            raise ValueError(f"no failpoint {self.armed!r}: choose one of {', '.join(NAMES)}")
        self._left = int(count or 1)

    def reach(self, name: str) -> None:
        """Pass the point, or die there as if by `kill -9`."""
        if name == self.armed:
            self._left -= 1
            if self._left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)
