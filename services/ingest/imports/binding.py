"""Expressions and field trees made ready to run over the rows of one kind of file."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from services.ingest.imports.cell_values import CellError
from services.ingest.imports.expressions import Column, Expression
from services.ingest.imports.filters import FILTERS
from services.ingest.imports.mapping import Branch, Entries, Leaf, Node
from services.ingest.imports.outcomes import DetailPlace
from services.ingest.imports.scope import Scope, Use
from services.ingest.imports.values import CLEARED, Calendar, Cells, Kind, Run, Value

_LONGEST_ID = 255
"""Characters that a pointer gives of a key."""


class RefusedError(Exception):
    """The present row, or one of its detail rows, cannot be used."""

    def __init__(self, column: str | None, reason: str, place: DetailPlace | None = None) -> None:
        super().__init__(reason)
        self.column = column
        self.reason = reason
        self.place = place
        """The detail row at fault; None: the present row."""


class Spot(NamedTuple):
    """Where a value comes from."""

    column: str | None
    place: DetailPlace | None = None
    """None: the present row."""


NOWHERE = Spot(None)


class Detail(NamedTuple):
    """One row of a detail file."""

    place: DetailPlace
    cells: Cells


@dataclass(frozen=True, slots=True)
class DetailTable:
    """The rows of a detail file by key, and how they are read."""

    file: str
    key_column: str | None
    rows: Mapping[str, Sequence[Detail]]
    scope: Scope


def bind(expression: Expression, scope: Scope) -> Run:
    """The expression as a function of a row; it raises RefusedError."""
    head = scope.getter(expression.head)
    column = column_of(expression)
    steps = [
        FILTERS[step.name].make(Use(step.arguments, scope, column or expression.text)) for step in expression.steps
    ]
    if not steps:
        return head

    def run(cells: Cells) -> Value:
        value = head(cells)
        try:
            for step in steps:
                value = step(value, cells)
        except CellError as error:
            raise RefusedError(column, str(error)) from None
        return value

    return run


def column_of(expression: Expression) -> str | None:
    """The column that a fault of the value is about."""
    return next(expression.columns(), None)


def _currency_column(expression: Expression) -> str | None:
    """Of money whose currency stands in a column of its own."""
    terms = (step.arguments[0] for step in expression.steps if step.name == "money")
    return next((term.name for term in terms if isinstance(term, Column)), None)


class BoundLeaf:
    """One value."""

    __slots__ = ("_column", "_currency_column", "build")

    def __init__(self, leaf: Leaf, scope: Scope, calendar: Calendar) -> None:
        self._column = column_of(leaf.expression)
        self._currency_column = _currency_column(leaf.expression) or self._column
        run = bind(leaf.expression, scope)
        is_moved = leaf.kind in (Kind.DATE, Kind.INSTANT, Kind.DECIMAL)
        self.build: Callable[[Cells], object] = self._converting(run, calendar) if is_moved else run

    def _converting(self, run: Run, calendar: Calendar) -> Callable[[Cells], object]:
        def build(cells: Cells) -> object:
            value = run(cells)
            try:
                return value if value is None or value is CLEARED else calendar.json(value)
            except CellError as error:
                raise RefusedError(self._column, str(error)) from None

        return build

    def locate(self, pointer: Sequence[str], _cells: Cells) -> Spot:
        """Where a fault at this JSON pointer comes from."""
        return Spot(self._currency_column if pointer == ["currency"] else self._column)


class BoundBranch:
    """An object whose keys the mapping names. An inner one of which nothing is said is left out."""

    __slots__ = ("_builds", "_members")

    def __init__(self, branch: Branch, scope: Scope, calendar: Calendar, details: Mapping[str, DetailTable]) -> None:
        self._members = {name: bound(node, scope, calendar, details) for name, node in branch.members.items()}
        self._builds = [(name, member.build) for name, member in self._members.items()]

    def said(self, cells: Cells) -> dict[str, object]:
        """What is said; a field that is cleared is None."""
        said: dict[str, object] = {}
        for name, build in self._builds:
            value = build(cells)
            if value is not None:
                said[name] = None if value is CLEARED else value
        return said

    def build(self, cells: Cells) -> object:
        said = self.said(cells)
        return said if said or not self._builds else None

    def locate(self, pointer: Sequence[str], cells: Cells) -> Spot:
        """Where a fault at this JSON pointer comes from."""
        member = self._members.get(pointer[0]) if pointer else None
        return member.locate(pointer[1:], cells) if member else NOWHERE


class BoundEntries:
    """A collection whose entries get their ids from rows."""

    __slots__ = ("_by", "_fields", "_id", "_id_column", "_table", "_tally")

    def __init__(self, entries: Entries, scope: Scope, calendar: Calendar, details: Mapping[str, DetailTable]) -> None:
        self._table = details[entries.details] if entries.details else None
        self._by = bind(entries.by, scope) if entries.by else None
        inner = self._table.scope if self._table else scope
        self._id = bind(entries.id, inner)
        self._id_column = column_of(entries.id)
        self._fields = BoundBranch(entries.fields, inner, calendar, {})
        self._tally = scope.tally

    def build(self, cells: Cells) -> object:
        found: dict[str, object] = {}
        for place, row in self._rows(cells):
            self._tally.place = place
            try:
                self._add(found, row, is_detail=place is not None)
            except RefusedError as error:
                raise RefusedError(error.column, error.reason, place) from None
            finally:
                self._tally.place = None
        if not found and self._table:
            self._tally.note("not-found", f"no row of {self._table.file} belongs to it")
        return found or None

    def _add(self, found: dict[str, object], cells: Cells, *, is_detail: bool) -> None:
        entry_id = self._id(cells)
        if entry_id is None and is_detail:
            raise RefusedError(self._id_column, "is blank, and it tells the entries apart")
        fields = self._fields.build(cells)
        if entry_id is None or fields is None:
            return
        if entry_id in found:
            raise RefusedError(self._id_column, "is the same as in another entry")
        found[str(entry_id)] = fields

    def _rows(self, cells: Cells) -> Iterator[tuple[DetailPlace | None, Cells]]:
        if self._table is None or self._by is None:
            yield None, cells
        elif (key := self._by(cells)) is not None:
            yield from self._table.rows.get(str(key), ())

    def locate(self, pointer: Sequence[str], cells: Cells) -> Spot:
        """Where a fault at this JSON pointer comes from."""
        for place, row in self._rows(cells):
            if pointer and str(self._id(row))[:_LONGEST_ID] == pointer[0]:
                column = self._fields.locate(pointer[1:], row).column if pointer[1:] else self._id_column
                return Spot(column, place)
        return NOWHERE


BoundNode = BoundLeaf | BoundBranch | BoundEntries


def bound(node: Node, scope: Scope, calendar: Calendar, details: Mapping[str, DetailTable]) -> BoundNode:
    """A field tree made ready to run."""
    if isinstance(node, Leaf):
        return BoundLeaf(node, scope, calendar)
    if isinstance(node, Branch):
        return BoundBranch(node, scope, calendar, details)
    return BoundEntries(node, scope, calendar, details)


def truths(conditions: Sequence[Expression], scope: Scope) -> Callable[[Cells], bool]:
    """Whether all conditions hold on a row; a blank counts as false."""
    runs = [bind(condition, scope) for condition in conditions]

    def hold(cells: Cells) -> bool:
        for run in runs:
            value = run(cells)
            if value is None or value is False:
                return False
        return True

    return hold
