"""A partition's worker without a database: it does to journals and cells what a lane does to tables."""

from collections.abc import Iterable, Sequence
from datetime import date
from itertools import groupby

from services.metrics.handlers import fold
from shared.kernel.journal import Journal, joined, merge, unheard
from shared.kernel.ledger import Cell, Cells, Measures, added, balance_of, post
from shared.sales.company import Company
from shared.sales.references import Key, References
from shared.sales.timeline import Standing
from shared.storage.encoding import pack_posted, unpack_standing
from tests.unit.metrics_write.stories import COMPANY, Told


class Partition:
    """Applies batches; `cells` is what its ledgers hold."""

    def __init__(self, company: Company = COMPANY) -> None:
        self.cells: Cells = {}
        self._company = company
        self._references = References()
        self._journals: dict[Key, Journal] = {}
        self._standings: dict[Key, Standing] = {}
        self._posted: dict[Key, Cells] = {}
        self._packed: dict[Key, list[bytes]] = {}

    def apply(self, batch: Iterable[Told]) -> None:
        for is_reference, run in groupby(batch, key=lambda event: event.is_reference):
            if is_reference:
                self._learn(list(run))
            else:
                self._tell(list(run))

    def _tell(self, run: Sequence[Told]) -> None:
        for key in dict.fromkeys(event.key for event in run):
            before = self._journals.get(key, ())
            new = unheard(before, [event.assertion for event in run if event.key == key])
            if new:
                self._journals[key] = joined(before, new)
                self._fold(key, min(one.known_on for one in new))

    def _learn(self, run: Sequence[Told]) -> None:
        learned: dict[Key, Journal] = {}
        for event in run:
            before = learned.get(event.key, self._references.journal(event.key))
            learned[event.key] = merge(before, [event.assertion])
        self._references = self._references.learn(learned)
        known_from = min(event.assertion.known_on for event in run)
        for key in [key for key, standing in self._standings.items() if standing.asked & learned.keys()]:
            self._fold(key, known_from)

    def _fold(self, key: Key, learned: date) -> None:
        """As a lane does: since the day of what is new, if nothing was posted on later days."""
        standing, journal = self._standings.get(key, Standing()), self._journals[key]
        posted = self._posted.setdefault(key, {})
        since = standing.since(max(learned, min(one.known_on for one in journal)))
        folded = fold(self._company, key, journal, self._references, since)
        change, self._standings[key] = standing.grown(folded) if since else standing.replaced(folded, posted)
        for cell, measures in change.items():
            post(posted, cell, measures)
            post(self.cells, cell, measures)
        after = self._standings[key]
        assert balance_of(posted) == after.balance
        parts = self._packed.setdefault(key, [])
        parts.append(pack_posted(change, None if standing.asked == after.asked else after.asked))
        assert unpack_standing(parts) == after


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
