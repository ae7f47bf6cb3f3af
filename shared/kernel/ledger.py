"""Bookkeeping: measures stand on cells, are added and taken back, and nothing else is ever done to them.

The only way in which a number changes is what ought to stand there minus what the entity has posted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import NamedTuple, cast, get_args, get_type_hints

from shared.kernel.money import EXACT

Number = int | Decimal
Measures = tuple[Number, ...]
Dimensions = tuple[str | int | bool | None, ...]


class Cell(NamedTuple):
    """Where a measure stands. `dimensions` are in the order of the ledger's own columns; None is "none"."""

    ledger: str
    known_on: date
    day: date
    fact: str
    dimensions: Dimensions


Cells = dict[Cell, Measures]


@dataclass(frozen=True)
class Ledger:
    """One family of facts: the names of its dimension and measure columns, read off two NamedTuples."""

    name: str
    dimensions: type[tuple[str | int | bool | None, ...]]
    measures: type[tuple[Number, ...]]

    @cached_property
    def dimension_types(self) -> dict[str, type]:
        """Column name → str, int or bool."""
        return {name: _plain(hint) for name, hint in get_type_hints(self.dimensions).items()}

    @cached_property
    def measure_types(self) -> dict[str, type]:
        """Column name → int for counts, Decimal for everything else."""
        return dict(get_type_hints(self.measures))


def _plain(hint: object) -> type:
    """`str | None` → `str`."""
    kinds = [kind for kind in get_args(hint) or (hint,) if kind is not type(None)]
    return cast("type", kinds[0])


def post(cells: Cells, cell: Cell, measures: Measures) -> None:
    """Add `measures` to a cell; a cell that comes to nothing is no cell."""
    before = cells.get(cell)
    after = measures if before is None else added(before, measures)
    if any(after):
        cells[cell] = after
    else:
        cells.pop(cell, None)


def difference(owed: Mapping[Cell, Measures], posted: Mapping[Cell, Measures]) -> Cells:
    """What has to be appended so that `posted` becomes `owed`."""
    change: Cells = {}
    for cell, measures in owed.items():
        before = posted.get(cell)
        if before != measures:
            change[cell] = measures if before is None else added(measures, negated(before))
    for cell, measures in posted.items():
        if cell not in owed:
            change[cell] = negated(measures)
    return change


def added(left: Measures, right: Measures) -> Measures:
    """Exact sums, column by column."""
    return tuple(
        EXACT.add(a, b) if isinstance(a, Decimal) or isinstance(b, Decimal) else a + b
        for a, b in zip(left, right, strict=True)
    )


def negated(measures: Measures) -> Measures:
    """The reversal; `copy_negate` because unary minus rounds to the thread's precision."""
    return tuple(one.copy_negate() if isinstance(one, Decimal) else -one for one in measures)
