"""Entities, references and ledgers of one partition: loaded and saved in whole batches, one statement each."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shared.kernel.journal import Assertion, Journal
from shared.kernel.ledger import Cells, Ledger
from shared.sales.references import Key, References, key_of
from shared.sales.timeline import Standing
from shared.storage.copying import PostingRows
from shared.storage.database import Reader, Writer
from shared.storage.encoding import (
    pack_journal,
    pack_model,
    pack_posted,
    unpack_journal,
    unpack_model,
    unpack_standing,
)
from shared.storage.position import FIRST_ASKED, Applied, Position, advance, advance_asking


@dataclass(slots=True)
class Entity:
    """What a service has of one entity. Never changed; not frozen, for that makes it slow to make."""

    key: Key
    journal: Journal = ()
    standing: Standing = field(default_factory=Standing)
    posted: Sequence[bytes] = ()
    """All that it had posted when it was read, packed in parts."""
    model: object = None
    """What its service made of it, to go on from."""
    packed: bytes | None = None
    """The same as it is stored, if nobody has changed the entity since who does not know of it."""


@dataclass(slots=True)
class Addition:
    """What is stored of an entity grows by this. Never changed, as an entity."""

    key: Key
    said: Sequence[Assertion]
    """What the journal did not hold yet."""
    posted: Cells
    asked: frozenset[Key] | None
    """All keys that it has asked for, if they are others than before."""
    asked_before: frozenset[Key] = frozenset()
    model: bytes | None = None
    """What is stored of the service's model."""


_WANTED = """SELECT kind, id, number, journal, posted, model FROM entity
    JOIN (SELECT key ->> 0 AS kind, key ->> 1 AS id FROM jsonb_array_elements(${}) AS key) AS wanted
      USING (kind, id)"""
"""Keys travel as JSON: of an array the driver asks each element what it is."""


async def load_entities(reader: Reader, keys: Sequence[Key]) -> dict[Key, Entity]:
    """The entities of these keys; a key that is missing in the answer is new."""
    rows = await reader.rows(_WANTED.format(1), keys)
    return {(entity := _entity(row)).key: entity for row in rows}


async def advance_and_load(
    writer: Writer, before: Position, after: Position, applied: Applied, keys: Sequence[Key]
) -> dict[Key, Entity]:
    """Move the position, and load these entities if there are any, in one round trip. Raises FencedError."""
    if not keys:
        await advance(writer, before, after, applied)
        return {}
    rows = await advance_asking(writer, before, after, applied, _WANTED.format(FIRST_ASKED), keys)
    return {(entity := _entity(row)).key: entity for row in rows if row["id"] is not None}


async def load_touched(
    reader: Reader, partition: int, keys: Iterable[tuple[str, str]], after: tuple[str, str], limit: int
) -> list[Entity]:
    """The next entities, in the order of their keys, that asked for one of these references."""
    rows = await reader.rows(
        """WITH touched AS (
             SELECT DISTINCT u.kind, u.id FROM reference_use u
             JOIN jsonb_array_elements($2) AS changed
               ON u.reference_kind = changed ->> 0 AND u.reference_id = changed ->> 1
             WHERE u.partition = $1 AND (u.kind, u.id) > ($3, $4)
             ORDER BY u.kind, u.id LIMIT $5)
           SELECT kind, id, number, journal, posted, model
           FROM entity JOIN touched USING (kind, id) ORDER BY kind, id""",
        partition,
        list(keys),
        *after,
        limit,
    )
    return [_entity(row) for row in rows]


def _entity(row: Mapping[str, Any]) -> Entity:
    parts = row["posted"]
    key = key_of((row["kind"], row["id"]))
    model = unpack_model(row["model"], row["number"])
    return Entity(key, unpack_journal(*row["journal"]), unpack_standing(parts), parts, packed=model)


async def save_entities(writer: Writer, partition: int, number: int, additions: Sequence[Addition]) -> None:
    """Add to what is stored of entities, and to the index from references to the entities that asked for them."""
    told = [one for one in additions if one.asked is not None]
    gone = [(*key, *one.key) for one in told for key in one.asked_before - (one.asked or frozenset())]
    come = [(*key, *one.key) for one in told for key in (one.asked or frozenset()) - one.asked_before]
    models = [pack_model(one.model, number) for one in additions]
    await writer.execute(
        """WITH left_out AS (
             DELETE FROM reference_use USING jsonb_array_elements($7) AS gone
             WHERE partition = $1 AND reference_kind = gone ->> 0 AND reference_id = gone ->> 1
               AND kind = gone ->> 2 AND id = gone ->> 3
           ), brought_in AS (
             INSERT INTO reference_use (partition, reference_kind, reference_id, kind, id)
             SELECT $1, come ->> 0, come ->> 1, come ->> 2, come ->> 3 FROM jsonb_array_elements($8) AS come
             ON CONFLICT DO NOTHING
           )
           INSERT INTO entity AS e (kind, id, partition, number, journal, posted, model)
           SELECT key ->> 0, key ->> 1, $1, $2, array_remove(ARRAY[journal], NULL), array_remove(ARRAY[posted], NULL),
                  model
           FROM ROWS FROM (jsonb_array_elements($3), unnest($4::bytea[]), unnest($5::bytea[]), unnest($6::bytea[]))
             AS said (key, journal, posted, model)
           ON CONFLICT (kind, id) DO UPDATE
           SET partition = excluded.partition, number = excluded.number, model = excluded.model,
               journal = e.journal || excluded.journal, posted = e.posted || excluded.posted""",
        partition,
        number,
        [one.key for one in additions],
        [pack_journal(one.said) if one.said else None for one in additions],
        [pack_posted(one.posted, one.asked) if one.posted or one.asked is not None else None for one in additions],
        models if any(models) else [],
        gone,
        come,
    )


async def append_postings(
    writer: Writer, partition: int, number: int, changes: Iterable[tuple[Key, Cells]], ledgers: Mapping[str, Ledger]
) -> int:
    """Append to the ledgers what changed, as postings of event `number`; how many."""
    rows: dict[str, PostingRows] = {}
    for key, cells in changes:
        for name, own in _by_ledger(cells):
            if name not in rows:
                rows[name] = PostingRows(ledgers[name], partition, number)
            rows[name].add(f"{key.kind}/{key.id}", own)
    for name, appended in rows.items():
        await writer.copy_packed(name, appended.columns, appended.packed())
    return sum(appended.count for appended in rows.values())


def _by_ledger(cells: Cells) -> Iterable[tuple[str, Cells]]:
    """Nearly always all of them are of one ledger."""
    names = {cell.ledger for cell in cells}
    if len(names) < 2:
        return ((name, cells) for name in names)
    return ((name, {cell: sums for cell, sums in cells.items() if cell.ledger == name}) for name in sorted(names))


async def load_references(reader: Reader, partition: int) -> References:
    """This partition's own copy of all reference data."""
    rows = await reader.rows("SELECT kind, id, journal FROM reference WHERE partition = $1", partition)
    return References({Key(row["kind"], row["id"]): unpack_journal(row["journal"]) for row in rows})


async def save_references(writer: Writer, partition: int, journals: Mapping[Key, Journal]) -> None:
    """Write reference journals as they are now."""
    await writer.execute(
        """INSERT INTO reference (partition, kind, id, journal)
           SELECT $1, key ->> 0, key ->> 1, journal
           FROM ROWS FROM (jsonb_array_elements($2), unnest($3::bytea[])) AS said (key, journal)
           ON CONFLICT (partition, kind, id) DO UPDATE SET journal = excluded.journal""",
        partition,
        list(journals),
        [pack_journal(journal) for journal in journals.values()],
    )
