"""A partition's worker without a database: it does to journals and cells what a lane does to tables."""

from collections.abc import Iterable, Sequence
from datetime import date
from itertools import groupby

from services.metrics.handlers import fold
from shared.kernel.journal import Journal, merge
from shared.kernel.ledger import Cell, Cells, Measures, added, difference, post
from shared.sales.company import Company
from shared.sales.references import Key, References
from shared.sales.timeline import Folded
from tests.unit.metrics_write.stories import COMPANY, Told


class Partition:
    """Applies batches; `cells` is what its ledgers hold."""

    def __init__(self, company: Company = COMPANY) -> None:
        self.cells: Cells = {}
        self._company = company
        self._references = References()
        self._journals: dict[Key, Journal] = {}
        self._folded: dict[Key, Folded] = {}

    def apply(self, batch: Iterable[Told]) -> None:
        for is_reference, run in groupby(batch, key=lambda event: event.is_reference):
            if is_reference:
                self._learn(list(run))
            else:
                self._tell(list(run))

    def _tell(self, run: Sequence[Told]) -> None:
        for key in dict.fromkeys(event.key for event in run):
            said = [event.assertion for event in run if event.key == key]
            self._journals[key] = merge(self._journals.get(key, ()), said)
            self._fold(key)

    def _learn(self, run: Sequence[Told]) -> None:
        learned: dict[Key, Journal] = {}
        for event in run:
            before = learned.get(event.key, self._references.journal(event.key))
            learned[event.key] = merge(before, [event.assertion])
        self._references = self._references.learn(learned)
        for key in [key for key, folded in self._folded.items() if folded.asked & learned.keys()]:
            self._fold(key)

    def _fold(self, key: Key) -> None:
        folded = fold(self._company, key, self._journals[key], self._references)
        before = self._folded.get(key)
        for cell, measures in difference(folded.owed, before.owed if before else {}).items():
            post(self.cells, cell, measures)
        self._folded[key] = folded


def told(*batches: Sequence[Told], partitions: int = 1) -> Cells:
    """What the ledgers hold after these batches, split over so many partitions; reference data go to each of them."""
    workers = [Partition() for _ in range(partitions)]
    for batch in batches:
        for number, worker in enumerate(workers):
            worker.apply(event for event in batch if event.is_reference or _place(event.key, partitions) == number)
    total: Cells = {}
    for worker in workers:
        for cell, measures in worker.cells.items():
            post(total, cell, measures)
    return total


def _place(key: Key, partitions: int) -> int:
    return sum(map(ord, key.kind + key.id)) % partitions


Known = dict[tuple[str, date, str, tuple[object, ...]], Measures]


def as_known(cells: Cells, known: date = date.max) -> Known:
    """The cells as known at the end of a day: summed over the days of learning until then."""
    result: Known = {}
    for cell, measures in cells.items():
        if cell.known_on <= known:
            key = (cell.ledger, cell.day, cell.fact, tuple(cell.dimensions))
            result[key] = added(result[key], measures) if key in result else measures
    return {key: measures for key, measures in result.items() if any(measures)}


def stock(cells: Cells, fact: str, until: date) -> dict[tuple[object, ...], Measures]:
    """What stands on the evening of a day, by dimensions, as known now."""
    result: Cells = {}
    for cell, measures in cells.items():
        if cell.fact == fact and cell.day <= until:
            post(result, Cell(cell.ledger, date.min, date.min, fact, cell.dimensions), measures)
    return {cell.dimensions: measures for cell, measures in result.items()}
