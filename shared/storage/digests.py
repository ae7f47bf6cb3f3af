"""Digests of books: equal for equal numbers, in whatever order they came and however they were split.

Each cell has a weight, the first 128 bits of the SHA-256 of its columns. A digest is made of the sums of weight times
measure over all postings. So nothing is sorted or grouped: postings of one cell add up wherever they stand, a cell that
comes to nothing adds nothing, and of books that only grow what was summed once need not be read again.
"""

import asyncio
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from shared.kernel.ledger import Ledger
from shared.kernel.money import EXACT, plain
from shared.storage.database import Reader

STEP = 25_000
"""Events whose postings one statement sums up: about half a second of work."""
_BLOCKS = 25_000
"""Blocks of rows that one statement sums up."""
_WEIGHTS = ", ".join(
    f"('x' || encode(substr(hash, {begin}, 8), 'hex'))::bit(64)::bigint::numeric AS {name}"
    for name, begin in (("high", 1), ("low", 9))
)


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows that are versioned by number, as a reader sees them."""

    table: str
    columns: tuple[str, ...]
    """Expressions over `s`; wrap decimals in `trim_scale`, for equal numbers have to look alike."""
    condition: str = "true"
    values: tuple[object, ...] = ()


class _LedgerSum:
    """The postings of one ledger up to a number in each partition."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.sums = [Decimal(0)] * (2 * len(ledger.measure_types))
        self.reached: dict[int, int] = {}

    async def add(self, reader: Reader, until: Mapping[int, int]) -> None:
        """Sum up to these numbers. They must be no later than the positions: there, postings never change again."""
        since = {partition: self.reached.get(partition, 0) for partition in until}
        row = await reader.row(
            _of_postings(self.ledger),
            list(until),
            list(since.values()),
            list(until.values()),
            min(since.values()) + 1,
            max(until.values()),
        )
        self.sums = _added(self.sums, row)
        self.reached |= until


class Digest:
    """The digest of one build: summed up step by step while it grows, told of a snapshot."""

    def __init__(self, ledgers: Iterable[Ledger] = (), rows: Sequence[Rows] = (), *, step: int = STEP) -> None:
        self._ledgers = [_LedgerSum(ledger) for ledger in ledgers]
        self._rows = rows
        self._step = step
        self._alone = asyncio.Lock()

    async def follow(self, reader: Reader) -> bool:
        """Sum up one step of what is new, if there is that much; whether there was."""
        async with self._alone:
            for one in self._ledgers:
                new = await _beyond(reader, one.reached)
                if sum(number - one.reached.get(partition, 0) for partition, number in new.items()) >= self._step:
                    await one.add(reader, self._first(new, one.reached))
                    return True
        return False

    async def tell(self, reader: Reader) -> str:
        """SHA-256 of everything that this reader sees: hexadecimal digits."""
        async with self._alone:
            for one in self._ledgers:
                while new := await _beyond(reader, one.reached):
                    await one.add(reader, self._first(new, one.reached))
            ledgers = {one.ledger.name: one.sums for one in self._ledgers}
        return digest_of(ledgers | {rows.table: await sum_rows(reader, rows) for rows in self._rows})

    def _first(self, new: Mapping[int, int], reached: Mapping[int, int]) -> dict[int, int]:
        share = -(-self._step // len(new))
        return {partition: min(number, reached.get(partition, 0) + share) for partition, number in new.items()}


def digest_of(sums: Mapping[str, Sequence[Decimal]]) -> str:
    """SHA-256 of the sums of each table: hexadecimal digits."""
    lines = [f"{table} {' '.join(map(plain, found))}\n" for table, found in sorted(sums.items())]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


async def sum_rows(reader: Reader, rows: Rows) -> Sequence[Decimal]:
    """How many rows there are, and the sums of their weights."""
    size = "SELECT pg_relation_size($1::regclass) / current_setting('block_size')::int"
    blocks: int = await reader.value(size, rows.table)
    total = [Decimal(0)] * 3
    for begin in range(0, blocks, _BLOCKS):
        places = f"({begin},0)", f"({begin + _BLOCKS},0)"
        total = _added(total, await reader.row(_of_rows(rows), *rows.values, *places))
    return total


def _added(sums: Sequence[Decimal], row: Iterable[Decimal | None] | None) -> list[Decimal]:
    return [EXACT.add(one, more or Decimal(0)) for one, more in zip(sums, row or (), strict=True)]


async def _beyond(reader: Reader, reached: Mapping[int, int]) -> dict[int, int]:
    rows = await reader.rows("SELECT partition, number FROM position ORDER BY partition")
    return {row["partition"]: row["number"] for row in rows if row["number"] > reached.get(row["partition"], 0)}


def _of_postings(ledger: Ledger) -> str:
    cell = ", ".join(("known_on", "day", "fact", *ledger.dimension_types))
    measures = ", ".join(ledger.measure_types)
    products = ", ".join(
        f"sum({weight} * {name}) FILTER (WHERE {name} <> 0)"
        for name in ledger.measure_types
        for weight in ("high", "low")
    )
    return f"""
        SELECT {products} FROM (SELECT {_WEIGHTS}, {measures} FROM (
          SELECT sha256(record_send(ROW({cell}))) AS hash, {measures}
          FROM {ledger.name} l JOIN unnest($1::int[], $2::bigint[], $3::bigint[]) AS part (partition, since, until)
            ON l.partition = part.partition AND l.number > part.since AND l.number <= part.until
          WHERE l.number BETWEEN $4 AND $5 OFFSET 0) AS hashed OFFSET 0) AS weighed"""  # noqa: S608 - declared names


def _of_rows(rows: Rows) -> str:
    """The parameters of the rows come first, then the blocks between which they stand."""
    begin, end = (f"${len(rows.values) + place}::text::tid" for place in (1, 2))
    return f"""
        SELECT count(*)::numeric, sum(high), sum(low) FROM (SELECT {_WEIGHTS} FROM (
          SELECT sha256(record_send(ROW({", ".join(rows.columns)}))) AS hash
          FROM {rows.table} s JOIN position p ON p.partition = s.partition
          WHERE s.ctid >= {begin} AND s.ctid < {end} AND s.from_number <= p.number
            AND (s.until_number IS NULL OR s.until_number > p.number) AND ({rows.condition})
          OFFSET 0) AS hashed OFFSET 0) AS weighed"""  # noqa: S608 - declared names
