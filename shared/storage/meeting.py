"""Two builds meet: the running one stands still on an event, and the new one comes to the same event.

What makes the running one stand still are the row locks of one transaction: they are let go when it ends, or when its
process dies. A worker that wants to go on meanwhile waits for them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from shared.storage.builds import Build
from shared.storage.database import Reader, Writer

Numbers = Mapping[int, int]
"""Partition to number."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a build stands."""

    epochs: Numbers
    numbers: Numbers

    @property
    def total(self) -> int:
        """Events applied, reference events once for each partition."""
        return sum(self.numbers.values())

    def is_void_beside(self, other: "Place") -> bool:
        """Whether the other has begun an epoch in which this one's numbers belong to other events."""
        return any(epoch > self.epochs.get(partition, 1) for partition, epoch in other.epochs.items())


async def place_of(reader: Reader) -> Place:
    """Where the build that this reader sees stands."""
    rows = await reader.rows("SELECT partition, epoch, number FROM position")
    return Place({row["partition"]: row["epoch"] for row in rows}, {row["partition"]: row["number"] for row in rows})


async def stand_still(writer: Writer) -> Place | None:
    """Hold the build that this writer sees where it is, for as long as the transaction lasts; None if it is amid a
    refold, where it stands on no event."""
    await writer.execute("SET LOCAL idle_in_transaction_session_timeout = '20s'")
    rows = await writer.rows("SELECT partition, turn FROM position ORDER BY partition FOR UPDATE")
    return None if any(row["turn"] for row in rows) else await place_of(writer)


async def told_cut(before: Reader, after: Reader) -> tuple[Numbers, Numbers] | None:
    """The newest instant of which both generations were told their numbers: those of the one and of the other."""
    told = {row["through"]: row["heads"] for row in await before.rows("SELECT through, heads FROM progress")}
    rows = await after.rows("SELECT through, heads FROM progress ORDER BY through DESC")
    for row in rows:
        if row["through"] in told:
            return _numbers(told[row["through"]]), _numbers(row["heads"])
    return None


async def told_total(reader: Reader) -> int | None:
    """How many events the newest mark names; None before there is one."""
    heads = await reader.value("SELECT heads FROM progress ORDER BY through DESC LIMIT 1")
    return None if heads is None else sum(_numbers(heads).values())


def same_numbers(one: Numbers, other: Numbers) -> bool:
    """Whether both name the same event in every partition; one that is not named stands at its beginning."""
    return all(one.get(partition, 0) == other.get(partition, 0) for partition in one.keys() | other.keys())


def comparable(before: Build, after: Build) -> bool:
    """Whether numbers mean the same in both."""
    return before.generation == after.generation


def _numbers(heads: Mapping[str, int]) -> dict[int, int]:
    return {int(partition): number for partition, number in heads.items()}
