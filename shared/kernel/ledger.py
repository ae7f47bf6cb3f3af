"""Bookkeeping: measures stand on cells, are added and taken back, and nothing else is ever done to them.

The only way in which a number changes is what ought to stand there minus what the entity has posted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import NamedTuple, TypeVar, cast, get_args, get_type_hints

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

Account = tuple[str, date, str, Dimensions]
"""A cell without the day of learning: ledger, day, fact, dimensions."""

Balance = dict[Account, Measures]
"""What stands as of now: all days of learning summed."""

PlaceT = TypeVar("PlaceT")

_add = EXACT.add


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

    @cached_property
    def measure_kinds(self) -> tuple[type, ...]:
        """The same without the names."""
        return tuple(self.measure_types.values())


def _plain(hint: object) -> type:
    """`str | None` → `str`."""
    kinds = [kind for kind in get_args(hint) or (hint,) if kind is not type(None)]
    return cast("type", kinds[0])


def balance_of(cells: Mapping[Cell, Measures]) -> Balance:
    """Cells summed over the days of learning."""
    balance: Balance = {}
    for (ledger, _, day, fact, dimensions), measures in cells.items():
        post(balance, (ledger, day, fact, dimensions), measures)
    return balance


def post(cells: dict[PlaceT, Measures], cell: PlaceT, measures: Measures) -> None:
    """Add `measures` to a cell; a cell that comes to nothing is no cell."""
    count = len(cells)
    before = cells.setdefault(cell, measures)
    if len(cells) == count:
        measures = cells[cell] = added(before, measures)
    if not any(measures):
        del cells[cell]


def difference(owed: Mapping[PlaceT, Measures], posted: Mapping[PlaceT, Measures]) -> dict[PlaceT, Measures]:
    """What has to be appended so that `posted` becomes `owed`."""
    change: dict[PlaceT, Measures] = {}
    gone = dict(posted)
    # Both by identity, for many cells hold the very same measures. What was posted was read anew from the database; the
    # equal ones that are owed are of fewer objects, so their reversal is cheaper to make and to write.
    same: dict[int, Measures] = {}
    reversals: dict[int, Measures] = {}
    for cell, measures in owed.items():
        before = gone.pop(cell, None)
        if before is None:
            change[cell] = measures
        elif before != measures:
            change[cell] = added(measures, negated(before))
        else:
            same[id(before)] = measures
    for cell, measures in gone.items():
        if (reversal := reversals.get(id(measures))) is None:
            reversal = reversals[id(measures)] = negated(same.get(id(measures), measures))
        change[cell] = reversal
    return change


def added(left: Measures, right: Measures) -> Measures:
    """Exact sums, column by column."""
    if len(left) != len(right):
        raise ValueError("measures of two ledgers cannot be added")
    return tuple(
        [
            (a + b if type(a) is int and type(b) is int else _add(a, b)) if b else a
            for a, b in zip(left, right)  # noqa: B905 - just compared, and this is hot
        ]
    )


def negated(measures: Measures) -> Measures:
    """The reversal; `copy_negate` because unary minus rounds to the thread's precision. Measures that are one object
    stay one."""
    turned: list[Number] = []
    before: Number | None = None
    reversal: Number = 0
    for one in measures:
        if one is not before:
            before, reversal = one, -one if type(one) is int else one.copy_negate()  # type: ignore[union-attr]
        turned.append(reversal)
    return tuple(turned)
