"""What the worker writes beyond what every fold writes: the summaries, and how far they reach."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from services.metrics.domain.slices import SLICES, SUMMARY_KEY, Cut, Family, Slices
from shared.messaging.folding import Change
from shared.sales.references import References
from shared.storage.database import Writer
from shared.storage.position import FencedError

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
    """Add about `limit` more postings to a ledger's summary, as many of each partition; whether any are left to add.

    The seals move by compare-and-set in the same transaction: of two summarisers that meet, one adds nothing.
    """
    before = await _open_seals(writer, slices)
    if not before:
        return False
    after = [await _cut(writer, slices, seal, max(1, limit // len(before))) for seal in before]
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
    """How far to go, so that about `limit` postings are added at most, and those of as many events: a refold may append
    millions under one number, and events that post nothing here are scanned for nothing."""
    until = min(seal.applied, seal.number + limit - 1)
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
    stands there; in the order of the key, which is faster.

    Each step sums what the one before left: postings by family, a family's sums by cut, days to months.
    """
    members = ("dimension_id", "other_id", "fact", *slices.kept)
    key, sums = ", ".join(("cut", *members)), _sums(slices)
    columns = ", ".join((*SUMMARY_KEY, *slices.kept, *slices.ledger.measure_types))
    families = [f"family_{place} AS MATERIALIZED ({_family(slices, one)})" for place, one in enumerate(slices.families)]
    finest = [_cuts(slices, one, f"family_{place}", key) for place, one in enumerate(slices.families)]
    return f"""
        WITH step AS (
          SELECT * FROM unnest($1::int[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[], $6::text[])
            AS step (partition, number, entity, until, next_number, next_entity)
        ), posting AS MATERIALIZED (
          SELECT l.*, {_month("l.day")} AS month, {_month("l.known_on")} AS known
          FROM step JOIN {slices.ledger.name} l ON l.partition = step.partition
            AND l.number BETWEEN step.number AND step.until AND (l.number > step.number OR l.entity > step.entity)
            AND (l.number < step.next_number OR l.entity <= step.next_entity)
          WHERE l.number BETWEEN (SELECT min(number) FROM step) AND (SELECT max(until) FROM step)
        ), {", ".join(families)}, finest AS MATERIALIZED ({" UNION ALL ".join(finest)}), months AS MATERIALIZED (
          SELECT {_month("start")} AS start, known, {key}, {sums} FROM finest GROUP BY 1, known, {key}
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


def _family(slices: Slices, family: Family) -> str:
    """The postings by all dimensions of the family's cuts, no finer than these need them."""
    start = "day" if any(cut.by_day for cut in family) else "month"
    known = "NULL::date" if all(cut.of_now for cut in family) else "known"
    facts = sorted({fact for cut in family for fact in cut.facts})
    wanted = f"WHERE fact IN ({', '.join(repr(fact) for fact in facts)})" if facts else ""
    dimensions = sorted({name for cut in family for name in cut.dimensions})
    key = ", ".join(("fact", *slices.kept, *dimensions))
    return f"""SELECT {start} AS start, {known} AS known, {key}, {_sums(slices)} FROM posting {wanted}
               GROUP BY 1, 2, {key}"""  # noqa: S608 - declared names


def _cuts(slices: Slices, family: Family, name: str, key: str) -> str:
    """The sums of each cut of a family, from those of the family."""
    return f"""SELECT by_day, CASE WHEN by_day THEN start ELSE {_month("start")} END AS start, known, {key},
                      {_sums(slices)}
               FROM {name} l CROSS JOIN LATERAL (VALUES {", ".join(map(_value, family))})
                 AS told (cut, dimension_id, other_id, by_day)
               GROUP BY 1, 2, known, {key}"""  # noqa: S608 - declared names


def _value(cut: Cut) -> str:
    members = [f"l.{name}::text" for name in cut.dimensions]
    return f"('{cut.name}', {', '.join([*members, 'NULL', 'NULL'][:2])}, {cut.by_day})"


def _sums(slices: Slices) -> str:
    """Counts of one step are small, and sums of int cost a fraction of those of bigint."""
    measures = slices.ledger.measure_types.items()
    return ", ".join(f"sum({name}{'::int' if kind is int else ''}) AS {name}" for name, kind in measures)


def _month(day: str) -> str:
    return f"date_trunc('month', {day}::timestamp)::date"


async def drop_summaries(writer: Writer) -> None:
    """Forget all summaries; readers read the ledger until they are made again. DELETE, for TRUNCATE would show readers
    of older snapshots an empty table."""
    await writer.execute("DELETE FROM seal")
    for slices in SLICES.values():
        await writer.execute(f"DELETE FROM {slices.table}")  # noqa: S608 - a declared name
