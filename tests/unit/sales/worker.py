"""A partition's worker without PostgreSQL and Kafka: the steps of the real lane, on plain dictionaries."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from decimal import Decimal
from itertools import groupby

from shared.kernel.journal import Journal, merge
from shared.kernel.ledger import Cells, difference, post
from shared.sales.references import Key, References
from shared.sales.timeline import Folded
from tests.unit.sales import mini
from tests.unit.sales.events import Event
from tests.unit.sales.oracle import Figure, Totals

Fold = Callable[[Key, Journal, References], Folded]


class Worker:
    """Folds the deals of one partition; `postings` is its ledger."""

    def __init__(self, fold: Fold = mini.fold) -> None:
        self.postings: list[Cells] = []
        self._fold = fold
        self._journals: dict[Key, Journal] = {}
        self._folded: dict[Key, Folded] = {}
        self._references = References()

    def apply(self, batch: Iterable[Event]) -> None:
        """Apply a batch in its order: runs of deals and runs of reference data, one after another."""
        for of_deals, run in groupby(batch, key=lambda event: event.is_deal):
            said: defaultdict[Key, list[Event]] = defaultdict(list)
            for event in run:
                said[event.key].append(event)
            if of_deals:
                self._tell(said)
            else:
                self._learn(said)

    def fold_again(self, fold: Fold) -> None:
        """Fold everything with another formula."""
        self._fold = fold
        for key in self._journals:
            self._post(key)

    def _tell(self, said: dict[Key, list[Event]]) -> None:
        for key, events in said.items():
            self._journals[key] = merge(self._journals.get(key, ()), [event.assertion() for event in events])
            self._post(key)

    def _learn(self, said: dict[Key, list[Event]]) -> None:
        known = {
            key: merge(self._references.journal(key), [event.assertion() for event in events])
            for key, events in said.items()
        }
        self._references = self._references.learn(known)
        for key, folded in list(self._folded.items()):
            if folded.asked & known.keys():
                self._post(key)

    def _post(self, key: Key) -> None:
        posted = self._folded[key].owed if key in self._folded else {}
        self._folded[key] = self._fold(key, self._journals[key], self._references)
        self.postings.append(difference(self._folded[key].owed, posted))


def ledger(workers: Iterable[Worker]) -> Cells:
    """All postings of all partitions, added up."""
    cells: Cells = {}
    for worker in workers:
        for posting in worker.postings:
            for cell, measures in posting.items():
                post(cells, cell, measures)
    return cells


def told(*batches: Sequence[Event]) -> Cells:
    """What stands in the ledger after these batches, in one partition."""
    worker = Worker()
    for batch in batches:
        worker.apply(batch)
    return ledger([worker])


def read(cells: Cells, until: date, known_at: date) -> Totals:
    """Running sums up to the evening of `until`, as known on `known_at`."""
    sums: defaultdict[tuple[str, str, str | None], Figure] = defaultdict(lambda: (0, Decimal(0), 0))
    for cell, (count, value, unconverted) in cells.items():
        if cell.day <= until and cell.known_on <= known_at:
            stage, team = cell.dimensions
            before = sums[cell.fact, str(stage), None if team is None else str(team)]
            after = (before[0] + int(count), before[1] + Decimal(value), before[2] + int(unconverted))
            sums[cell.fact, str(stage), None if team is None else str(team)] = after
    return {place: figure for place, figure in sums.items() if any(figure)}
