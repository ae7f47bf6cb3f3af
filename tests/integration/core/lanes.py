"""Driving a lane without a broker: a batch is tried until it is applied, as the loop does, and may be interrupted."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from shared.contracts.records import StreamRecord
from shared.kernel.clock import SystemClock
from shared.kernel.errors import UnavailableError
from shared.messaging.failpoints import Failpoints
from shared.messaging.folding import FoldingOpener
from shared.messaging.lane import Lane
from shared.storage.database import Database
from shared.storage.position import FencedError
from shared.telemetry.metrics import Metrics
from tests.integration.core.service import HANDLER, REVISION


@dataclass(slots=True)
class Interrupting(Failpoints):
    """Breaks off at a point, the n-th time that it is reached, as if the database had gone at that moment."""

    at: str = ""
    time: int = 0
    reached: Counter[str] = field(default_factory=Counter)

    def reach(self, name: str) -> None:
        self.reached[name] += 1
        if name == self.at and self.reached[name] == self.time:
            raise UnavailableError(f"broken off at {name}")


def opener(database: Database, failpoints: Failpoints | None = None, *, chunk: int = 3) -> FoldingOpener:
    return FoldingOpener(database, REVISION, 1, HANDLER, Metrics(), SystemClock(), failpoints or Failpoints(), chunk)


async def apply(lanes: FoldingOpener, records: Sequence[StreamRecord], *, partition: int = 0, batch: int = 50) -> int:
    """Apply a stream in batches, however often that is interrupted or fenced off; how often it was."""
    broken = 0
    for start in range(0, len(records), batch):
        todo = records[start : start + batch]
        while True:
            try:
                await apply_once(await lanes.open(partition), todo)
                break
            except (UnavailableError, FencedError):
                broken += 1
    return broken


async def apply_once(lane: Lane, records: Sequence[StreamRecord]) -> None:
    """Apply what is new of these records to a lane."""
    fresh = [one for one in records if one.number > lane.position.number]
    if fresh:
        await lane.apply(fresh, duplicates=len(records) - len(fresh), dead=[])


def in_partition(records: Sequence[StreamRecord]) -> Iterator[StreamRecord]:
    """The same records, numbered anew."""
    return (replace(one, number=number) for number, one in enumerate(records, start=1))
