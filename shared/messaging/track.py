"""What the loop remembers of one assigned partition. It is forgotten with the assignment."""

from dataclasses import dataclass, field

from aiokafka import ConsumerRecord

from shared.messaging.dead_letters import Tally
from shared.messaging.lane import Lane
from shared.messaging.sorting import Sorted


@dataclass(slots=True, eq=False)
class Track:
    """One assigned partition; `place` is its name for people."""

    place: str
    tally: Tally
    heard: float
    """When records last came, or the log's end was seen to be where we are."""
    deaf_at: int | None = None
    """Where we were when the log was first seen to end elsewhere."""
    waiting: list[ConsumerRecord] = field(default_factory=list)
    """What was fetched and not taken in hand yet, in the order of the log."""
    opened: bool = False
    """The consumer was told where to begin."""
    lane: Lane | None = None
    stopped: str | None = None
    missing: int | None = None
    """The number for which a gap was searched from the start of the partition."""
    missed_since: float | None = None
    """Since when it is known not to be there."""
    skipped: int = 0
    """Duplicates that no transaction has recorded yet."""
    hint: int | None = None
    _tallied: int = -1
    _buried: set[int] = field(default_factory=set)

    def moved(self) -> None:
        """Something was applied: whatever was missing is there."""
        self.skipped, self.missing, self.missed_since = 0, None, None

    def begin_again(self) -> None:
        """The log is another one: what was known of its offsets is void."""
        self._tallied, self.missing, self.missed_since = -1, None, None
        self._buried.clear()

    def judge(self, todo: Sorted) -> None:
        """Count what could be read and what could not, each record once, however often it is tried.

        Raises StoppedError beyond the limits.
        """
        for one in todo.poison:
            if one.raw.offset > self._tallied:
                self.tally.good(one.good_before)
                self._tallied = one.raw.offset
                self.tally.bad(self.place, one.reason)
        if todo.end > self._tallied:
            self.tally.good(todo.good_after)
            self._tallied = todo.end

    def letters(self, todo: Sorted) -> list[tuple[ConsumerRecord, str]]:
        """What still has to go to the dead letters."""
        return [(one.raw, one.reason) for one in todo.poison if one.raw.offset not in self._buried]

    def bury(self, letters: list[tuple[ConsumerRecord, str]]) -> None:
        """These are kept there: a batch that is tried again does not send them twice."""
        self._buried.update(raw.offset for raw, _ in letters)
