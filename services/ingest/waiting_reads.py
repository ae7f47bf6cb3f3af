"""The durable queue of objects to read from sources: asked for in the inbox commit, gone when what was read is kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from shared.storage.database import Reader, Writer

CHANNEL = "quintant_to_read"
_FIRST_WAIT = timedelta(seconds=1)
_LONGEST_WAIT = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Waiting:
    """One object that waits to be read."""

    kind: str
    object_id: str
    asked: int
    attempts: int
    cause: str | None


async def due(reader: Reader, source: str, now: datetime, limit: int) -> list[Waiting]:
    """What may be read now, of the kind that has waited longest; the longest waiting first."""
    rows = await reader.rows(
        """SELECT kind, object_id, asked, attempts, cause FROM to_read
           WHERE source = $1 AND due_at <= $2
             AND kind = (SELECT kind FROM to_read WHERE source = $1 AND due_at <= $2 ORDER BY due_at LIMIT 1)
           ORDER BY due_at LIMIT $3""",
        source,
        now,
        limit,
    )
    return [Waiting(**row) for row in rows]


async def among(reader: Reader, source: str, kind: str, ids: Sequence[str]) -> frozenset[str]:
    """Which of these objects wait."""
    rows = await reader.rows(
        "SELECT object_id FROM to_read WHERE source = $1 AND kind = $2 AND object_id = ANY($3::text[])",
        source,
        kind,
        list(ids),
    )
    return frozenset(row["object_id"] for row in rows)


async def next_due(reader: Reader, source: str) -> datetime | None:
    """When the next attempt is due; None if nothing waits."""
    found: datetime | None = await reader.value("SELECT min(due_at) FROM to_read WHERE source = $1", source)
    return found


async def done(writer: Writer, source: str, read: Sequence[Waiting]) -> None:
    """Take out what was read; what was asked for again meanwhile stays, for what was read may be too old."""
    await writer.execute(
        """DELETE FROM to_read AS t USING unnest($2::text[], $3::text[], $4::bigint[]) AS r (kind, object_id, asked)
           WHERE t.source = $1 AND t.kind = r.kind AND t.object_id = r.object_id AND t.asked = r.asked""",
        source,
        [one.kind for one in read],
        [one.object_id for one in read],
        [one.asked for one in read],
    )


async def put_off(
    writer: Writer, source: str, failed: Sequence[Waiting], detail: str, now: datetime, least: timedelta = _FIRST_WAIT
) -> None:
    """Try these later: twice as late each time, an hour at most, and not before `least`."""
    waits = [max(least, min(_FIRST_WAIT * 2 ** min(one.attempts, 12), _LONGEST_WAIT)) for one in failed]
    await writer.execute(
        """UPDATE to_read AS t SET attempts = t.attempts + 1, detail = $5, due_at = f.due_at
           FROM unnest($2::text[], $3::text[], $4::timestamptz[]) AS f (kind, object_id, due_at)
           WHERE t.source = $1 AND t.kind = f.kind AND t.object_id = f.object_id""",
        source,
        [one.kind for one in failed],
        [one.object_id for one in failed],
        [now + wait for wait in waits],
        detail,
    )


async def hurry(writer: Writer, source: str, now: datetime) -> None:
    """Try everything that was put off: what was wrong may have been mended."""
    await writer.execute("UPDATE to_read SET due_at = $2 WHERE source = $1 AND due_at > $2", source, now)


async def is_failing(reader: Reader, source: str) -> bool:
    """Whether something waits that could not be read."""
    found: bool = await reader.value("SELECT EXISTS (SELECT FROM to_read WHERE source = $1 AND attempts > 0)", source)
    return found


async def backlogs(reader: Reader) -> dict[str, Mapping[str, Any]]:
    """By source: how many objects wait, since when the oldest does, and why the last attempt failed."""
    rows = await reader.rows(
        """SELECT source, count(*) AS waiting, min(asked_at) AS oldest_at,
                  coalesce((array_agg(detail ORDER BY attempts DESC))[1], '') AS detail
           FROM to_read GROUP BY source"""
    )
    return {row["source"]: {name: row[name] for name in ("waiting", "oldest_at", "detail")} for row in rows}
