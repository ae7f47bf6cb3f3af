"""Entities, references and ledgers of one partition: loaded and saved in whole batches, one statement each."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from shared.kernel.journal import Journal
from shared.kernel.ledger import Cell, Cells, Ledger, Measures
from shared.sales.references import Key, References
from shared.storage.database import Reader, Writer
from shared.storage.encoding import pack_journal, pack_posted, unpack_journal, unpack_posted


@dataclass(frozen=True, slots=True)
class Entity:
    """What a partition remembers of one entity."""

    key: Key
    journal: Journal = ()
    posted: Cells = field(default_factory=dict)
    asked: frozenset[Key] = frozenset()


async def load_entities(reader: Reader, keys: Sequence[Key], ledgers: Mapping[str, Ledger]) -> dict[Key, Entity]:
    """The remembered entities of these keys; a key that is missing in the answer is new."""
    rows = await reader.rows(
        """SELECT kind, id, journal, posted FROM entity
           JOIN unnest($1::text[], $2::text[]) AS wanted (kind, id) USING (kind, id)""",
        [key.kind for key in keys],
        [key.id for key in keys],
    )
    return {(entity := _entity(row, ledgers)).key: entity for row in rows}


async def load_touched(
    reader: Reader, partition: int, keys: Iterable[tuple[str, str]], after: tuple[str, str], limit: int,
    ledgers: Mapping[str, Ledger],
) -> list[Entity]:  # fmt: skip
    """The next entities, in the order of their keys, that asked for one of these references."""
    changed = list(keys)
    rows = await reader.rows(
        """WITH touched AS (
             SELECT DISTINCT u.kind, u.id FROM reference_use u
             JOIN unnest($2::text[], $3::text[]) AS changed (kind, id)
               ON u.reference_kind = changed.kind AND u.reference_id = changed.id
             WHERE u.partition = $1 AND (u.kind, u.id) > ($4, $5)
             ORDER BY u.kind, u.id LIMIT $6)
           SELECT kind, id, journal, posted FROM entity JOIN touched USING (kind, id) ORDER BY kind, id""",
        partition,
        [kind for kind, _ in changed],
        [id_ for _, id_ in changed],
        *after,
        limit,
    )
    return [_entity(row, ledgers) for row in rows]


def _entity(row: Mapping[str, object], ledgers: Mapping[str, Ledger]) -> Entity:
    kind, entity_id, journal, posted = row["kind"], row["id"], row["journal"], row["posted"]
    assert isinstance(kind, str) and isinstance(entity_id, str)  # noqa: S101, PT018 - columns are text NOT NULL
    assert isinstance(journal, bytes) and isinstance(posted, bytes)  # noqa: S101, PT018
    return Entity(Key(kind, entity_id), unpack_journal(journal), *unpack_posted(posted, ledgers))


async def save_entities(writer: Writer, partition: int, number: int, entities: Sequence[Entity]) -> None:
    """Write entities as they are now."""
    await writer.execute(
        """INSERT INTO entity (kind, id, partition, number, journal, posted)
           SELECT kind, id, $1, $2, journal, posted
           FROM unnest($3::text[], $4::text[], $5::bytea[], $6::bytea[]) AS said (kind, id, journal, posted)
           ON CONFLICT (kind, id) DO UPDATE
           SET partition = excluded.partition, number = excluded.number,
               journal = excluded.journal, posted = excluded.posted""",
        partition,
        number,
        [entity.key.kind for entity in entities],
        [entity.key.id for entity in entities],
        [pack_journal(entity.journal) for entity in entities],
        [pack_posted(entity.posted, entity.asked) for entity in entities],
    )


async def save_uses(writer: Writer, partition: int, before: Sequence[Entity], after: Sequence[Entity]) -> None:
    """Keep the index from references to the entities that asked for them; `before` and `after` pair up."""
    gone = [(key, old.key) for old, new in zip(before, after, strict=True) for key in old.asked - new.asked]
    come = [(key, new.key) for old, new in zip(before, after, strict=True) for key in new.asked - old.asked]
    if gone:
        await writer.execute(
            """DELETE FROM reference_use USING unnest($2::text[], $3::text[], $4::text[], $5::text[])
                 AS gone (rk, ri, k, i)
               WHERE partition = $1 AND reference_kind = rk AND reference_id = ri AND kind = k AND id = i""",
            partition,
            *_columns(gone),
        )
    if come:
        await writer.execute(
            """INSERT INTO reference_use (partition, reference_kind, reference_id, kind, id)
               SELECT $1, * FROM unnest($2::text[], $3::text[], $4::text[], $5::text[]) ON CONFLICT DO NOTHING""",
            partition,
            *_columns(come),
        )


def _columns(uses: Sequence[tuple[Key, Key]]) -> tuple[list[str], list[str], list[str], list[str]]:
    return (
        [reference.kind for reference, _ in uses],
        [reference.id for reference, _ in uses],
        [entity.kind for _, entity in uses],
        [entity.id for _, entity in uses],
    )


async def append_postings(
    writer: Writer, partition: int, number: int, changes: Iterable[tuple[Key, Cells]], ledgers: Mapping[str, Ledger]
) -> int:
    """Append to the ledgers what changed, as postings of event `number`; how many."""
    rows: dict[str, list[tuple[object, ...]]] = {}
    for key, cells in changes:
        entity = f"{key.kind}/{key.id}"
        for cell, measures in cells.items():
            rows.setdefault(cell.ledger, []).append(_posting(partition, number, entity, cell, measures))
    for name, records in rows.items():
        ledger = ledgers[name]
        columns = (*_HEAD, *ledger.dimension_types, *ledger.measure_types)
        await writer.copy(name, columns, records)
    return sum(len(records) for records in rows.values())


_HEAD = ("partition", "number", "entity", "known_on", "day", "fact")


def _posting(partition: int, number: int, entity: str, cell: Cell, measures: Measures) -> tuple[object, ...]:
    return (partition, number, entity, cell.known_on, cell.day, cell.fact, *cell.dimensions, *measures)


async def load_references(reader: Reader, partition: int) -> References:
    """This partition's own copy of all reference data."""
    rows = await reader.rows("SELECT kind, id, journal FROM reference WHERE partition = $1", partition)
    return References({Key(row["kind"], row["id"]): unpack_journal(row["journal"]) for row in rows})


async def save_references(writer: Writer, partition: int, journals: Mapping[Key, Journal]) -> None:
    """Write reference journals as they are now."""
    await writer.execute(
        """INSERT INTO reference (partition, kind, id, journal)
           SELECT $1, * FROM unnest($2::text[], $3::text[], $4::bytea[])
           ON CONFLICT (partition, kind, id) DO UPDATE SET journal = excluded.journal""",
        partition,
        [key.kind for key in journals],
        [key.id for key in journals],
        [pack_journal(journal) for journal in journals.values()],
    )
