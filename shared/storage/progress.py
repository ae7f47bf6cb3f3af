"""How complete the applied numbers are: marks told beside the stream, compared with the positions in one snapshot."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.storage.database import Reader, Writer
from shared.storage.position import Standing, standing_of

_MOST = 1000
"""Marks kept that are not reached yet: a service that lags far behind tells its completeness a little later."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Everything accepted until `through` has these numbers at most, partition by partition."""

    generation: int
    through: datetime
    heads: Mapping[int, int]
    epoch: int = 1


@dataclass(frozen=True, slots=True)
class Completeness:
    """What a service can say of its own freshness. `complete_through` is None until the first mark is reached."""

    complete_through: datetime | None
    events_behind: int


async def save_mark(writer: Writer, mark: Mark) -> None:
    """Remember a mark, and forget those that a later reached one makes useless.

    A mark of an epoch that a partition has not begun is passed over: its number may be that of another event.
    """
    await writer.execute(
        """INSERT INTO progress (generation, through, heads)
           SELECT $1, $2, $3::jsonb WHERE NOT EXISTS (
             SELECT 1 FROM jsonb_each_text($3::jsonb) AS head (partition, number)
             JOIN position ON position.partition = head.partition::int
             WHERE head.number::bigint > 0 AND position.epoch < $4)
           ON CONFLICT DO NOTHING""",
        mark.generation,
        mark.through,
        {str(partition): number for partition, number in mark.heads.items()},
        mark.epoch,
    )
    await writer.execute(
        """WITH reached AS (
             SELECT max(m.through) AS through FROM progress m WHERE m.generation = $1 AND NOT EXISTS (
               SELECT 1 FROM jsonb_each_text(m.heads) AS head (partition, number)
               LEFT JOIN position ON position.partition = head.partition::int
               WHERE head.number::bigint > coalesce(position.number, 0))),
           oldest AS (
             SELECT through FROM progress WHERE generation = $1 ORDER BY through DESC OFFSET $2 LIMIT 1)
           DELETE FROM progress p USING reached
           WHERE p.generation = $1 AND p.through IS DISTINCT FROM reached.through
             AND (p.through < reached.through OR p.through <= (SELECT through FROM oldest))""",
        mark.generation,
        _MOST,
    )


async def read_freshness(reader: Reader) -> tuple[Standing, Completeness]:
    """The positions, the latest mark that they have reached, and how many events the last mark is ahead of them: every
    answer begins with this, so it is one round trip."""
    rows = await reader.rows(
        """SELECT partition, generation, epoch, number, first_known, reconstructed_until, applied_at,
                  NULL::timestamptz AS through, NULL::jsonb AS heads FROM position
           UNION ALL
           SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, through, heads FROM progress
           ORDER BY through DESC"""
    )
    standing = standing_of([row for row in rows if row["through"] is None])
    return standing, _completeness([row for row in rows if row["through"] is not None], standing)


def _completeness(rows: Sequence[Mapping[str, Any]], standing: Standing) -> Completeness:
    """`rows` are the marks, the latest first."""
    behind = 0
    if rows:
        behind = sum(
            max(0, number - standing.positions.get(int(partition), 0)) for partition, number in rows[0]["heads"].items()
        )
    for row in rows:
        if all(number <= standing.positions.get(int(partition), 0) for partition, number in row["heads"].items()):
            return Completeness(row["through"], behind)
    return Completeness(None, behind)
