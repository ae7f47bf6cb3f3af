"""How fresh an answer is, read in the same snapshot as its numbers, and the `after=` parameter of read-your-writes."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, Query

from shared.kernel.errors import BehindError
from shared.kernel.tokens import Token


@dataclass(frozen=True, slots=True)
class Freshness:
    """`as_of` is when what was read last changed (not when it was asked, or no answer could be cached);
    everything accepted until `complete_through` is in it (`None`: not known yet); `events_behind` are on their way.
    `reconstructed` flags knowledge that was dated back by a first import.
    """

    as_of: datetime
    complete_through: datetime | None
    events_behind: int
    reconstructed: bool = False

    def members(self) -> dict[str, Any]:
        """What stands beside the data of every answer."""
        said = {
            "as_of": self.as_of,
            "complete_through": self.complete_through,
            "events_behind": self.events_behind,
        }
        return {**said, "reconstructed": True} if self.reconstructed else said


class NotYetAppliedError(BehindError):
    """The bound of an `after=` has passed; the problem carries the present state."""

    def __init__(self, freshness: Freshness) -> None:
        super().__init__("The awaited events are not applied yet: ask again, or ask without `after`.")
        self.freshness = freshness


async def _after(
    after: Annotated[
        str | None,
        Query(description="Token from an ingest answer: wait until its events are applied, or answer 504."),
    ] = None,
) -> Token | None:
    return Token.decode(after) if after is not None else None


After = Annotated[Token | None, Depends(_after)]
"""Declare it in a GET handler; await the position before reading when it is not `None`."""
