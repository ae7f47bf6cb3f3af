"""The books audit themselves: summaries against ledgers, what entities remember against what stands in the ledgers.

And a digest of the ledgers, equal for equal events, however they came and however the work was split.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from services.metrics.domain.ledgers import LEDGERS
from services.metrics.domain.slices import SLICES, SUMMARY_KEY, Cut, Slices
from shared.kernel.ledger import Cell, Cells, Ledger, Measures, difference
from shared.storage.database import Database, Reader
from shared.storage.digests import Digest
from shared.storage.encoding import unpack_posted

CHUNK = 500
"""Entities compared at once."""
SHOWN = 20
"""Differences told of each kind; the rest is counted."""
_MONTH = "date_trunc('month', day::timestamp)::date"


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that should be nothing: what is there less what ought to be there."""

    where: str
    """The summary table, or the entity."""
    cell: Mapping[str, object]
    excess: Mapping[str, Decimal | int]


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What an audit found."""

    entities: int
    """How many were compared."""
    wrong_summaries: int
    wrong_entities: int
    differences: tuple[Difference, ...]
    """The first of each kind."""

    @property
    def sound(self) -> bool:
        """Nothing is wrong."""
        return not self.wrong_summaries and not self.wrong_entities


async def audit(database: Database) -> AuditReport:
    """Compare, in one snapshot, each summary row with the ledger up to the seals and each entity with its postings."""
    async with database.read() as reader:
        found = _Findings()
        for slices in SLICES.values():
            for cut in slices.cuts:
                found.summaries.add(await _wrong_sums(reader, slices, cut))
        entities = await _compare_entities(reader, found)
        found.entities.add([Difference(entity, {}, {}) for entity in await _strangers(reader)])
    shown = (*found.summaries.shown, *found.entities.shown)
    return AuditReport(entities, found.summaries.count, found.entities.count, shown)


@dataclass(slots=True)
class _Kind:
    count: int = 0
    shown: list[Difference] = field(default_factory=list)

    def add(self, differences: list[Difference]) -> None:
        self.count += len(differences)
        self.shown += differences[: SHOWN - len(self.shown)]


@dataclass(slots=True)
class _Findings:
    summaries: _Kind = field(default_factory=_Kind)
    entities: _Kind = field(default_factory=_Kind)


async def _wrong_sums(reader: Reader, slices: Slices, cut: Cut) -> list[Difference]:
    """Summary less ledger, by row of one cut; only what does not come to nothing."""
    measures = list(slices.ledger.measure_types)
    key = [name for name in (*SUMMARY_KEY, *slices.kept) if name != "cut"]
    members = [f"l.{name}::text" for name in cut.dimensions]
    dimension, other = [*members, "NULL::text", "NULL::text"][:2]
    ledger = {"dimension_id": dimension, "other_id": other, **{name: f"l.{name}" for name in ("fact", *slices.kept)}}
    rows = await reader.rows(
        f"""SELECT {", ".join(key)}, {", ".join(f"sum({name}) AS {name}" for name in measures)} FROM (
              SELECT {", ".join((*key, *measures))} FROM {slices.table} WHERE cut = $1
              UNION ALL
              SELECT {", ".join([*(ledger.get(name, name) for name in key), *(f"-l.{name}" for name in measures)])}
              FROM {slices.ledger.name} l JOIN seal s ON s.partition = l.partition AND s.ledger = $2
              CROSS JOIN LATERAL (VALUES
                  ('day', l.day, NULL), ('month', {_MONTH}, NULL),
                  ('known', {_MONTH}, date_trunc('month', l.known_on::timestamp)::date)) AS unit (grain, start, known)
              WHERE (l.number < s.number OR (l.number = s.number AND l.entity <= s.entity))
                AND ($3 OR grain <> 'day') AND NOT ($5 AND grain = 'known') AND start IS DISTINCT FROM known
                AND ($4::text[] = '{{}}' OR l.fact = ANY($4))
            ) AS both_sides GROUP BY {", ".join(key)}
            HAVING {" OR ".join(f"sum({name}) <> 0" for name in measures)}""",  # noqa: S608 - declared names
        cut.name,
        slices.ledger.name,
        cut.by_day,
        sorted(cut.facts),
        cut.of_now,
    )
    return [
        Difference(
            slices.table,
            {"cut": cut.name, **{name: row[name] for name in key}},
            {name: row[name] for name in measures if row[name]},
        )
        for row in rows
    ]


async def _compare_entities(reader: Reader, found: _Findings) -> int:
    after, count = ("", ""), 0
    while True:
        rows = await reader.rows(
            "SELECT kind, id, posted FROM entity WHERE (kind, id) > ($1, $2) ORDER BY kind, id LIMIT $3", *after, CHUNK
        )
        remembered = {f"{row['kind']}/{row['id']}": unpack_posted(row["posted"]) for row in rows}
        standing = await _standing(reader, list(remembered))
        for entity, cells in remembered.items():
            found.entities.add(_excess(entity, difference(standing.get(entity, {}), cells)))
        count += len(rows)
        if len(rows) < CHUNK:
            return count
        after = rows[-1]["kind"], rows[-1]["id"]


async def _standing(reader: Reader, entities: list[str]) -> dict[str, Cells]:
    """What the ledgers hold of these entities. A refold under way has saved both sides, so no position is asked for."""
    standing: dict[str, Cells] = {}
    for ledger in LEDGERS.values():
        key = ", ".join(("entity", "known_on", "day", "fact", *ledger.dimension_types))
        sums = ", ".join(f"sum({name}) AS {name}" for name in ledger.measure_types)
        for row in await reader.rows(
            f"SELECT {key}, {sums} FROM {ledger.name} WHERE entity = ANY($1) GROUP BY {key}",  # noqa: S608
            entities,
        ):
            measures = tuple(kind(row[name]) for name, kind in ledger.measure_types.items())
            if any(measures):
                standing.setdefault(row["entity"], {})[_cell(ledger, row)] = measures
    return standing


def _cell(ledger: Ledger, row: Mapping[str, object]) -> Cell:
    known_on, day, fact = row["known_on"], row["day"], row["fact"]
    assert isinstance(known_on, date) and isinstance(day, date) and isinstance(fact, str)  # noqa: S101, PT018
    return Cell(ledger.name, known_on, day, fact, tuple(row[name] for name in ledger.dimension_types))  # type: ignore[misc]


def _excess(entity: str, cells: Mapping[Cell, Measures]) -> list[Difference]:
    return [
        Difference(
            entity,
            {
                "known_on": cell.known_on,
                "day": cell.day,
                "fact": cell.fact,
                **dict(zip(LEDGERS[cell.ledger].dimension_types, cell.dimensions, strict=True)),
            },
            {name: one for name, one in zip(LEDGERS[cell.ledger].measure_types, measures, strict=True) if one},
        )
        for cell, measures in cells.items()
    ]


async def _strangers(reader: Reader) -> list[str]:
    """Entities that stand in a ledger and are remembered nowhere."""
    every = " UNION ".join(f"SELECT entity FROM {ledger}" for ledger in LEDGERS)  # noqa: S608 - declared names
    rows = await reader.rows(f"SELECT entity FROM ({every}) AS posted EXCEPT SELECT kind || '/' || id FROM entity")  # noqa: S608
    return [row["entity"] for row in rows]


def digest() -> Digest:
    """Of all cells of all ledgers up to the positions."""
    return Digest(LEDGERS.values())
