"""How far a service has applied each partition. Advancing it by compare-and-set is what makes applying exactly-once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import asyncpg
import msgspec

from shared.kernel.errors import StoppedError
from shared.storage.database import Reader, Writer
from shared.storage.schema import check_revision


class FencedError(StoppedError):
    """Somebody else advanced this partition: this worker lost it and must not commit."""

    slug = "fenced"


class Refold(msgspec.Struct, frozen=True):
    """A refold under way: reference data up to `until` are saved, entities after `after` still have to be folded."""

    until: int
    keys: list[tuple[str, str]]
    after: tuple[str, str]
    known_from: date | None = None
    """What is new about the references was learned on this day or later; None: nobody knows."""


@dataclass(frozen=True, slots=True)
class Position:
    """Everything up to `number` is applied; `turn` counts the transactions of a refold that is under way after it."""

    partition: int
    generation: int
    revision: str
    """Of the schema for which it was read."""
    epoch: int = 1
    number: int = 0
    turn: int = 0
    refold: Refold | None = None


@dataclass(frozen=True, slots=True)
class Applied:
    """What one transaction adds to the record of a partition."""

    at: datetime
    applied: int = 0
    duplicates: int = 0
    dead_letters: int = 0
    first_known: date | None = None
    reconstructed_until: date | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """What readers need to know of all partitions, read in one snapshot with the numbers."""

    positions: dict[int, int] = field(default_factory=dict)
    first_known: date | None = None
    reconstructed_until: date | None = None
    applied_at: datetime | None = None
    """When the last events were applied."""
    generation: int | None = None
    """Of the stream; None before anything was applied."""
    epochs: dict[int, int] = field(default_factory=dict)
    """Partition → the epoch in which its position counts."""


async def take_position(writer: Writer, partition: int, generation: int, revision: str) -> Position:
    """The stored position of a partition, made if it is new.

    Raises StoppedError for one of another generation, OtherRevisionError if the schema is not at this revision.
    """
    await check_revision(writer, revision)
    await writer.execute(
        """INSERT INTO position (partition, generation, epoch, number, turn, applied, duplicates, dead_letters)
           VALUES ($1, $2, 1, 0, 0, 0, 0, 0) ON CONFLICT (partition) DO NOTHING""",
        partition,
        generation,
    )
    row = await writer.row(
        "SELECT generation, epoch, number, turn, refold FROM position WHERE partition = $1", partition
    )
    if row is not None and row["generation"] < 0:
        raise StoppedError(f"partition {partition} belongs to a build that is no longer the current one")
    if row is None or row["generation"] != generation:
        raise StoppedError(
            f"partition {partition} was applied from another generation of the stream: rebuild this service beside it"
        )
    refold = None if row["refold"] is None else msgspec.convert(row["refold"], Refold)
    return Position(partition, generation, revision, row["epoch"], row["number"], row["turn"], refold)


_ADVANCE = """UPDATE position
    SET epoch = $5, number = $6, turn = $7, refold = $8, applied = applied + $9, duplicates = duplicates + $10,
        dead_letters = dead_letters + $11, first_known = LEAST(first_known, $12),
        reconstructed_until = GREATEST(reconstructed_until, $13), applied_at = $14
    WHERE partition = $1 AND epoch = $2 AND number = $3 AND turn = $4 AND generation = $15
      AND EXISTS (SELECT FROM alembic_version WHERE version_num = $16)"""
FIRST_ASKED = 17
"""The number of the first parameter of a question that is asked along."""


async def advance(writer: Writer, before: Position, after: Position, applied: Applied) -> None:
    """Move a position by compare-and-set, at the start of the transaction that applies the events.

    The row lock that this takes makes a second worker wait and then fail. Raises FencedError if it has moved,
    OtherRevisionError if the schema has: a worker never writes into a schema that a migration has changed under it.
    """
    if await writer.execute(_ADVANCE, *_moving(before, after, applied)) != 1:
        raise await _fenced(writer, before)


async def advance_asking(
    writer: Writer, before: Position, after: Position, applied: Applied, question: str, *values: object
) -> list[asyncpg.Record]:
    """The same, and in the same round trip a question about the partition; its parameters begin at `FIRST_ASKED`.

    Its rows may be those of before the lock was waited for: then the position has moved, or nothing has.
    """
    rows = await writer.rows(
        f"""WITH moved AS ({_ADVANCE} RETURNING 1)
            SELECT moved, asked.* FROM (SELECT count(*) AS moved FROM moved) AS fence
            LEFT JOIN ({question}) AS asked ON true""",  # noqa: S608 - a statement of ours
        *_moving(before, after, applied),
        *values,
    )
    if rows[0]["moved"] != 1:
        raise await _fenced(writer, before)
    return rows


def _moving(before: Position, after: Position, applied: Applied) -> tuple[object, ...]:
    return (
        before.partition,
        before.epoch,
        before.number,
        before.turn,
        after.epoch,
        after.number,
        after.turn,
        None if after.refold is None else msgspec.to_builtins(after.refold),
        applied.applied,
        applied.duplicates,
        applied.dead_letters,
        applied.first_known,
        applied.reconstructed_until,
        applied.at,
        before.generation,
        before.revision,
    )


async def _fenced(writer: Writer, before: Position) -> FencedError:
    await check_revision(writer, before.revision)
    return FencedError(
        f"partition {before.partition} is no longer at number {before.number}: another worker has taken it over"
    )


async def fence(writer: Writer) -> None:
    """No worker can move these positions again: another build takes over. Readers see them as before."""
    await writer.execute("UPDATE position SET generation = -generation WHERE generation > 0")


async def read_standing(reader: Reader) -> Standing:
    """The positions of all partitions, and since when anything was known."""
    return standing_of(
        await reader.rows(
            "SELECT partition, generation, epoch, number, first_known, reconstructed_until, applied_at FROM position"
        )
    )


def standing_of(rows: Sequence[Mapping[str, Any]]) -> Standing:
    """What the rows of all partitions say together."""
    return Standing(
        {row["partition"]: row["number"] for row in rows},
        min((row["first_known"] for row in rows if row["first_known"]), default=None),
        max((row["reconstructed_until"] for row in rows if row["reconstructed_until"]), default=None),
        max((row["applied_at"] for row in rows if row["applied_at"]), default=None),
        max((abs(row["generation"]) for row in rows), default=None),
        {row["partition"]: row["epoch"] for row in rows},
    )
