"""The lines of orders: a row for each line, or a row for each order with its total."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from services.ingest.imports.guess.tables import Column, Table

Tree = dict[str, Any]
_NAME = "order_lines"


@dataclass(frozen=True, slots=True)
class Lines:
    """How the lines of an order are said."""

    tree: Tree
    key: Sequence[str]
    """Columns that tell the rows apart."""
    is_detail: bool
    """Whether rows are lines, and several make an order."""
    name: str = _NAME


def order_lines(table: Table, order: Column, fields: Tree, notes: list[str]) -> Lines | None:
    """None: the rows say nothing of lines."""
    if not fields:
        notes.append("No column says what was ordered, or for how much before tax.")
        return None
    if table.is_key([order]) and table.first("line_no") is None:
        return Lines({"1": fields}, [order.name], is_detail=False)
    for columns in _candidates(table):
        if table.is_key([order, *columns]):
            first, rest = columns[0], columns[1:]
            joined = (
                f" | concat:{','.join(part for one in rest for part in (chr(39) + '/' + chr(39), f'[{one.name}]'))}"
            )
            line_id = first.expression + (joined if rest else "")
            table.use(first, "order line.id", line_id)
            tree = {"each": _NAME, "by": order.expression, "id": line_id, "fields": fields}
            return Lines(tree, [order.name, *(column.name for column in columns)], is_detail=True)
    notes.append("No columns tell the lines of an order apart: add one with the number of each line.")
    return None


def _candidates(table: Table) -> list[list[Column]]:
    """What may tell the lines of one order apart, the best first."""
    line = table.first("line_no")
    product = table.first("product_no") or table.first("product_name")
    more = [table.first(meaning) for meaning in ("unit_price", "quantity", "net_amount")]
    beside = [column for column in more if column is not None]
    found = [[line]] if line else []
    if product:
        found += [[product, *beside[:count]] for count in range(len(beside) + 1)]
    return found
