"""What the worker writes beyond what every fold writes: the summaries, and how far they reach."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from services.metrics.domain.slices import SLICES, Slices
from shared.messaging.folding import Change
from shared.sales.references import References
from shared.storage.database import Writer
from shared.storage.position import FencedError

WINDOW = 5_000
"""Events whose postings are looked at for one step: a bound on the scan."""


async def save_nothing(
    _writer: Writer, _partition: int, _number: int, _changes: Sequence[Change], _references: References
) -> None:
    """Entities and ledgers are all that this service remembers of the stream."""


@dataclass(frozen=True, slots=True)
class Seal:
    """How far one partition is summarised: postings of lower numbers, and of this number those up to this entity."""

    partition: int
    number: int
    entity: str
    applied: int
    """The partition's position: beyond it there are no postings that a reader may see."""


async def seal_step(writer: Writer, slices: Slices, limit: int) -> bool:
    """Add about `limit` more postings of each partition to a ledger's summary; whether any are left to add.

    The seals move by compare-and-set in the same transaction: of two summarisers that meet, one adds nothing.
    """
    before = await _open_seals(writer, slices)
    if not before:
        return False
    after = [await _cut(writer, slices, seal, limit) for seal in before]
    if not await _move(writer, slices, before, after):
        return True
    await writer.execute(
        _summing(slices),
        [seal.partition for seal in before],
        [seal.number for seal in before],
        [seal.entity for seal in before],
        [min(seal.number, seal.applied) for seal in after],
        [seal.number for seal in after],
        [seal.entity for seal in after],
    )
    return any(seal.number <= seal.applied for seal in after)


async def _open_seals(writer: Writer, slices: Slices) -> list[Seal]:
    await writer.execute(
        """INSERT INTO seal (partition, ledger, number, entity) SELECT partition, $1, 1, '' FROM position
           ON CONFLICT DO NOTHING""",
        slices.ledger.name,
    )
    rows = await writer.rows(
        """SELECT s.partition, s.number, s.entity, p.number AS applied
           FROM seal s JOIN position p ON p.partition = s.partition
           WHERE s.ledger = $1 AND s.number <= p.number ORDER BY s.partition""",
        slices.ledger.name,
    )
    return [Seal(row["partition"], row["number"], row["entity"], row["applied"]) for row in rows]


async def _cut(writer: Writer, slices: Slices, seal: Seal, limit: int) -> Seal:
    """How far to go, so that about `limit` postings are added: a refold may append millions under one number."""
    until = min(seal.applied, seal.number + WINDOW - 1)
    row = await writer.row(
        f"""SELECT number, entity FROM {slices.ledger.name}
            WHERE partition = $1 AND number BETWEEN $2 AND $4 AND (number > $2 OR entity > $3)
            ORDER BY number, entity OFFSET $5 LIMIT 1""",  # noqa: S608 - a declared name
        seal.partition,
        seal.number,
        seal.entity,
        until,
        limit,
    )
    if row is None:
        return replace(seal, number=until + 1, entity="")
    return replace(seal, number=row["number"], entity=row["entity"])


async def _move(writer: Writer, slices: Slices, before: Sequence[Seal], after: Sequence[Seal]) -> bool:
    moved = [
        await writer.execute(
            """UPDATE seal SET number = $5, entity = $6
               WHERE partition = $1 AND ledger = $2 AND number = $3 AND entity = $4""",
            was.partition,
            slices.ledger.name,
            was.number,
            was.entity,
            now.number,
            now.entity,
        )
        for was, now in zip(before, after, strict=True)
    ]
    if all(moved):
        return True
    raise FencedError("another summariser is at work")


def _summing(slices: Slices) -> str:
    """Sums by day and of those by month, added to what stands there; in the order of the key, which is faster."""
    measures = list(slices.ledger.measure_types)
    singles = ", ".join(["('', NULL)", *(f"('{name}', l.{name})" for name in slices.single)])
    sums = ", ".join(f"sum({name}) AS {name}" for name in measures)
    kept = ", ".join(slices.kept)
    key = f"dimension, dimension_id, fact, {kept}"
    columns = f"grain, start, {key}, {', '.join(measures)}"
    return f"""
        WITH step AS (
          SELECT * FROM unnest($1::int[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[], $6::text[])
            AS step (partition, number, entity, until, next_number, next_entity)
        ), days AS MATERIALIZED (
          SELECT 'day' AS grain, l.day AS start, {key}, {sums}
          FROM step JOIN {slices.ledger.name} l ON l.partition = step.partition
            AND l.number BETWEEN step.number AND step.until AND (l.number > step.number OR l.entity > step.entity)
            AND (l.number < step.next_number OR l.entity <= step.next_entity)
          CROSS JOIN LATERAL (VALUES {singles}) AS single (dimension, dimension_id)
          WHERE l.number BETWEEN (SELECT min(number) FROM step) AND (SELECT max(until) FROM step)
          GROUP BY l.day, {key}
        ), months AS (
          SELECT 'month' AS grain, date_trunc('month', start::timestamp)::date AS start, {key}, {sums}
          FROM days GROUP BY 2, {key}
        )
        INSERT INTO {slices.table} AS s ({columns})
        SELECT {columns} FROM (SELECT * FROM days UNION ALL SELECT * FROM months) AS sums
        ORDER BY dimension, grain, fact, start, dimension_id
        ON CONFLICT (dimension, grain, fact, start, dimension_id, {kept})
        DO UPDATE SET {", ".join(f"{name} = s.{name} + excluded.{name}" for name in measures)}"""  # noqa: S608


async def drop_summaries(writer: Writer) -> None:
    """Forget all summaries; readers read the ledger until they are made again. DELETE, for TRUNCATE would show readers
    of older snapshots an empty table."""
    await writer.execute("DELETE FROM seal")
    for slices in SLICES.values():
        await writer.execute(f"DELETE FROM {slices.table}")  # noqa: S608 - a declared name
