"""What the worker writes beyond what every fold writes: the summaries, and how far they reach."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from services.metrics.domain.slices import SLICES, SUMMARY_KEY, Cut, Slices
from shared.messaging.folding import Change
from shared.sales.references import References
from shared.storage.database import Writer
from shared.storage.position import FencedError

WINDOW = 25_000
"""Events whose postings are looked at for one step: a bound on the scan."""
_BY_HASHING = "SELECT set_config('work_mem', '128MB', true), set_config('enable_sort', 'off', true)"
"""For this transaction: the planner cannot know how many sums there will be, and would sort the postings."""


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
    await writer.execute(_BY_HASHING)
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
    """Sums by day, by month, and by month of knowledge what was learned in another month than its own, added to what
    stands there; in the order of the key, which is faster. First all is summed by the finest that its cut needs."""
    # Counts of one step are small, and sums of int cost a fraction of those of bigint.
    sums = ", ".join(
        f"sum({name}{'::int' if kind is int else ''}) AS {name}" for name, kind in slices.ledger.measure_types.items()
    )
    members = ("dimension_id", "other_id", "fact", *slices.kept)
    key = ", ".join(("cut", *members))
    columns = ", ".join((*SUMMARY_KEY, *slices.kept, *slices.ledger.measure_types))
    month = "date_trunc('month', start::timestamp)::date"
    return f"""
        WITH step AS (
          SELECT * FROM unnest($1::int[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[], $6::text[])
            AS step (partition, number, entity, until, next_number, next_entity)
        ), posting AS (
          SELECT l.*, date_trunc('month', l.day::timestamp)::date AS month,
                 date_trunc('month', l.known_on::timestamp)::date AS known
          FROM step JOIN {slices.ledger.name} l ON l.partition = step.partition
            AND l.number BETWEEN step.number AND step.until AND (l.number > step.number OR l.entity > step.entity)
            AND (l.number < step.next_number OR l.entity <= step.next_entity)
          WHERE l.number BETWEEN (SELECT min(number) FROM step) AND (SELECT max(until) FROM step)
        ), finest AS MATERIALIZED (
          SELECT by_day, CASE WHEN by_day THEN l.day ELSE l.month END AS start,
                 CASE WHEN NOT of_now THEN l.known END AS known, {key}, {sums}
          FROM posting l CROSS JOIN LATERAL (VALUES {_values(slices)})
            AS told (cut, dimension_id, other_id, by_day, of_now, wanted)
          WHERE wanted GROUP BY 1, 2, 3, {key}
        ), months AS MATERIALIZED (
          SELECT {month} AS start, known, {key}, {sums} FROM finest GROUP BY 1, known, {key}
        )
        INSERT INTO {slices.table} AS s ({columns})
        SELECT {columns} FROM (
          SELECT 'day' AS grain, start, NULL::date AS known, {key}, {sums}
          FROM finest WHERE by_day GROUP BY start, {key}
          UNION ALL
          SELECT 'month', start, NULL, {key}, {sums} FROM months GROUP BY start, {key}
          UNION ALL
          SELECT 'known', start, known, {key}, {", ".join(slices.ledger.measure_types)} FROM months WHERE known <> start
        ) AS sums
        ORDER BY {", ".join(SUMMARY_KEY)}
        ON CONFLICT ({", ".join((*SUMMARY_KEY, *slices.kept))})
        DO UPDATE SET {", ".join(f"{name} = s.{name} + excluded.{name}" for name in slices.ledger.measure_types)}"""  # noqa: S608


def _values(slices: Slices) -> str:
    """A row for each cut: its name, members, whether by day, and whether it wants the posting."""
    return ", ".join(_value(cut) for cut in slices.cuts)


def _value(cut: Cut) -> str:
    members = [f"l.{name}::text" for name in cut.dimensions]
    wanted = " OR ".join(f"l.fact = '{fact}'" for fact in sorted(cut.facts)) or "true"
    return f"('{cut.name}', {', '.join([*members, 'NULL', 'NULL'][:2])}, {cut.by_day}, {cut.of_now}, {wanted})"


async def drop_summaries(writer: Writer) -> None:
    """Forget all summaries; readers read the ledger until they are made again. DELETE, for TRUNCATE would show readers
    of older snapshots an empty table."""
    await writer.execute("DELETE FROM seal")
    for slices in SLICES.values():
        await writer.execute(f"DELETE FROM {slices.table}")  # noqa: S608 - a declared name
