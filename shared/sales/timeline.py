"""The timeline of an entity: for each day on which we learned something that matters, what that knowledge changed."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from typing import NamedTuple, TypeVar

from shared.kernel.journal import Assertion, Journal, known
from shared.kernel.ledger import Balance, Cell, Cells, Measures, difference
from shared.sales.references import Key, References, View

_cell = partial(tuple.__new__, Cell)
"""A cell of its five values: half as slow as to call the class."""

Life = TypeVar("Life")
Contribute = Callable[[list[Assertion], View], Balance]
"""An entity's life as known on the view's day → what it then stands for."""


class Since(NamedTuple):
    """Where a fold may begin, because nothing that was known before `day` has changed."""

    day: date
    balance: Balance
    """What is posted already; none of it with a later day of learning than `day`."""


@dataclass(slots=True)
class Folded:
    """What an entity ought to have posted, and every reference key on which that depends. Never changed; not frozen,
    for that makes it slow to make.

    Of a fold since a day: what it ought to post beside what it has, in the order of the days of learning, and the keys
    that it asked for from that day on.
    """

    owed: Cells
    asked: frozenset[Key]
    model: object = None
    """What the service wants to find again when it folds this entity next."""
    result: object = None
    """What else the service has to save and to say; it ends with the transaction."""
    balance: Balance = field(default_factory=dict)
    """What then stands as of now."""


@dataclass(slots=True)
class Standing:
    """What an entity has posted and asked for, as far as the next event needs it. Never changed, as a fold."""

    balance: Balance = field(default_factory=dict)
    until: date | None = None
    """The last day of learning with a posting; None if there is none."""
    asked: frozenset[Key] = frozenset()

    def since(self, learned: date | None) -> Since | None:
        """Where to begin when all that is new was learned on `learned` or later; None: from the beginning.

        Postings of earlier days stay as they are; whatever is owed from that day on is owed beside the balance.
        """
        if learned is None or (self.until is not None and learned < self.until):
            return None
        return Since(learned, self.balance)

    def grown(self, folded: Folded) -> tuple[Cells, "Standing"]:
        """What to post after a fold since a day, and what stands then."""
        asked = self.asked if folded.asked <= self.asked else self.asked | folded.asked
        until = next(reversed(folded.owed)).known_on if folded.owed else self.until
        return folded.owed, Standing(folded.balance, until, asked)

    def replaced(self, folded: Folded, posted: Mapping[Cell, Measures]) -> tuple[Cells, "Standing"]:
        """What to post after a fold from the beginning, given all that was posted, and what stands then."""
        change = difference(folded.owed, posted)
        days = {cell.known_on for cell in change}
        until = max(days if self.until is None else {*days, self.until}, default=None)
        return change, Standing(folded.balance, until, folded.asked)


def as_learned(
    journal: Journal,
    references: References,
    read: Callable[[list[Assertion], View], Life],
    since: date | None = None,
) -> Iterator[tuple[View, Life]]:
    """What `read` makes of the assertions and references known at the end of each day of learning, oldest day first.

    A day is left out when nothing was learned about the entity and no answer that `read` was given changed. `since` is
    the first day that is read; the entity was known by then.
    """
    days = sorted({one.known_on for one in journal if since is None or since < one.known_on})
    day = since or (days[0] if days else None)
    while day is not None:
        view = View(references, day)
        yield view, read(known(journal, day), view)
        day = _next(days, day, view.learned)


def timeline(journal: Journal, references: References, contribute: Contribute, since: Since | None = None) -> Folded:
    """What the entity ought to have posted by now, exact as of any past day: on each day of learning the ledger
    receives that day's contribution minus the previous one."""
    owed: Cells = {}
    asked: set[Key] = set()
    before: Balance = since.balance if since else {}
    for view, now in as_learned(journal, references, contribute, since.day if since else None):
        for (ledger, day, fact, place), sums in difference(now, before).items():
            owed[_cell((ledger, view.known, day, fact, place))] = sums
        asked |= view.asked
        before = now
    return Folded(owed, frozenset(asked), balance=before)


def _next(days: list[date], day: date, learned: date | None) -> date | None:
    index = bisect_right(days, day)
    later = days[index] if index < len(days) else None
    if learned is None or (later is not None and later < learned):
        return later
    return learned
