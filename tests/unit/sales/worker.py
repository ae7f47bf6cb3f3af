"""A partition's worker without PostgreSQL and Kafka: the steps of the real lane, on plain dictionaries."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from decimal import Decimal
from itertools import groupby

from shared.kernel.journal import Journal, joined, unheard
from shared.kernel.ledger import Cells, balance_of, post
from shared.sales.references import Key, References
from shared.sales.timeline import Folded, Since, Standing
from tests.unit.sales import mini
from tests.unit.sales.events import Event
from tests.unit.sales.oracle import Figure, Totals

Fold = Callable[[Journal, References, Since | None], Folded]


class Worker:
    """Folds the deals of one partition; `postings` is its ledger. `whole` folds every life from its beginning."""

    def __init__(self, fold: Fold = mini.fold, *, whole: bool = False) -> None:
        self.postings: list[Cells] = []
        self.resumed = 0
        """How many folds began later than at the beginning."""
        self._fold = fold
        self._whole = whole
        self._journals: dict[Key, Journal] = {}
        self._standings: dict[Key, Standing] = {}
        self._posted: dict[Key, Cells] = {}
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
            self._post(key, None)

    def _tell(self, said: dict[Key, list[Event]]) -> None:
        for key, events in said.items():
            before = self._journals.get(key, ())
            new = unheard(before, [event.assertion() for event in events])
            if new:
                self._journals[key] = joined(before, new)
                self._post(key, min(one.known_on for one in new))

    def _learn(self, said: dict[Key, list[Event]]) -> None:
        new = {
            key: unheard(self._references.journal(key), [event.assertion() for event in events])
            for key, events in said.items()
        }
        known = {key: joined(self._references.journal(key), told) for key, told in new.items()}
        learned = min((one.known_on for told in new.values() for one in told), default=None)
        self._references = self._references.learn(known)
        for key, standing in list(self._standings.items()):
            if standing.asked & known.keys():
                self._post(key, learned)

    def _post(self, key: Key, learned: date | None) -> None:
        standing, journal = self._standings.get(key, Standing()), self._journals[key]
        posted = self._posted.setdefault(key, {})
        first = min(one.known_on for one in journal)
        since = None if self._whole or learned is None else standing.since(max(learned, first))
        folded = self._fold(journal, self._references, since)
        change, after = standing.grown(folded) if since else standing.replaced(folded, posted)
        self.resumed += since is not None and since.day > first
        for cell, measures in change.items():
            post(posted, cell, measures)
        assert balance_of(posted) == after.balance
        self._standings[key] = after
        self.postings.append(change)


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
