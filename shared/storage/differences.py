"""What two builds say differently: the first cells or rows, in one snapshot of both."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from shared.kernel.ledger import Ledger
from shared.storage.database import Reader

SHOWN = 5
"""Differences told of each ledger or table."""
_ENTITIES = 3


async def ledger_differences(reader: Reader, ledger: Ledger, before: str, after: str) -> list[dict[str, Any]]:
    """The first cells whose sums differ: how much more stands in `after`, and entities that make the difference."""
    measures = list(ledger.measure_types)
    cell = ", ".join(("day", "known_on", "fact", *ledger.dimension_types))
    sums = ", ".join(f"sum({name}) AS {name}" for name in measures)
    unequal = " OR ".join(f"sum({name}) <> 0" for name in measures)
    of_after = _visible(ledger.name, after, f"entity, {cell}, {', '.join(measures)}")
    of_before = _visible(ledger.name, before, f"entity, {cell}, {', '.join(f'-{name}' for name in measures)}")
    rows = await reader.rows(
        f"""SELECT {cell}, {sums}, (array_agg(entity ORDER BY entity))[1:{_ENTITIES}] AS entities FROM (
              SELECT entity, {cell}, {sums} FROM ({of_after} UNION ALL {of_before}) AS both_builds
              GROUP BY entity, {cell} HAVING {unequal}) AS unequal
            GROUP BY {cell} HAVING {unequal} ORDER BY {cell} LIMIT {SHOWN}""",  # noqa: S608 - declared names
    )
    return [
        {
            "ledger": ledger.name,
            **{name: _plain(row[name]) for name in ("day", "known_on", "fact", *ledger.dimension_types)},
            "more_in_new": {name: str(row[name]) for name in measures if row[name]},
            "entities": list(row["entities"]),
        }
        for row in rows
    ]


async def row_differences(
    reader: Reader, table: str, columns: Sequence[str], before: str, after: str
) -> list[dict[str, Any]]:
    """The first rows of a table that stand in one of them only."""
    names = ", ".join(columns)
    found: list[dict[str, Any]] = []
    for only_in, one, other in (("old", before, after), ("new", after, before)):
        rows = await reader.rows(
            f"""SELECT {names} FROM ({_states(table, one, names)} EXCEPT ALL {_states(table, other, names)}) AS alone
                ORDER BY {columns[0]} LIMIT {SHOWN}"""  # noqa: S608 - declared names
        )
        found += [{"table": table, "only_in": only_in, **_row(row)} for row in rows]
    return found


def _visible(table: str, schema: str, columns: str) -> str:
    return (
        f"SELECT {columns} FROM {schema}.{table} JOIN {schema}.position USING (partition) "  # noqa: S608
        f"WHERE {table}.number <= position.number"
    )


def _states(table: str, schema: str, columns: str) -> str:
    """Rows that are versioned by number, as a reader sees them."""
    return (
        f"SELECT {columns} FROM {schema}.{table} s JOIN {schema}.position p USING (partition) "  # noqa: S608
        "WHERE s.from_number <= p.number AND (s.until_number IS NULL OR s.until_number > p.number)"
    )


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _plain(value) for name, value in row.items() if value is not None}


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, date) else value if isinstance(value, int | None) else str(value)
