"""What the loop needs of a service: a lane per assigned partition, which applies runs of numbered records."""

from collections.abc import Sequence
from typing import Protocol

from shared.contracts.records import StreamRecord
from shared.storage.position import Position


class Lane(Protocol):
    """One partition while it is assigned. Nothing cached in it outlives the assignment."""

    @property
    def position(self) -> Position:
        """How far this partition is applied, as this lane believes."""

    async def apply(self, records: Sequence[StreamRecord], *, duplicates: int, dead: Sequence[int]) -> None:
        """Apply contiguous records, the first being the next one; `dead` are numbers among them that were unreadable.

        Raises FencedError if another worker has advanced the partition, UnavailableError if trying again may help.
        """

    async def begin_epoch(self, epoch: int, last_valid: int) -> None:
        """The inbox was restored: go on in a new epoch. Raises StoppedError if more was applied than it still knows."""


class Opener(Protocol):
    """Opens the lane of a partition: reads its position and whatever its worker keeps in memory."""

    async def open(self, partition: int) -> Lane:
        """Raises UnavailableError, or StoppedError if the stored position does not fit the stream."""
