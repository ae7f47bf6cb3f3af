"""What is kept about each configured source: coverage by webhooks, polls, refusals, its subscription, its feed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from services.ingest.sources.api import Subscription
from shared.storage.database import Reader, Writer


@dataclass(frozen=True, slots=True)
class Poll:
    """How far one kind of object of one source has been polled."""

    connected_at: datetime
    """What changed before it could not be delivered to us: it is taken in, and not counted as lost."""
    through: datetime | None
    """Everything that changed before has been polled."""
    until: datetime | None = None
    """End of the window under way, and the page in it; None between windows."""
    page: str | None = None


async def count_polled(writer: Writer, source: str, counts: Mapping[date, tuple[int, int]]) -> None:
    """Count, by the day of the change, the objects that polling found, and how many of them nothing had told of."""
    await writer.execute(
        """INSERT INTO coverage AS c (source, day, delivered, polled, reconciled)
           SELECT $1, day, 0, polled, reconciled
           FROM unnest($2::date[], $3::bigint[], $4::bigint[]) AS p (day, polled, reconciled)
           ON CONFLICT (source, day) DO UPDATE
           SET polled = c.polled + excluded.polled, reconciled = c.reconciled + excluded.reconciled""",
        source,
        list(counts),
        [polled for polled, _ in counts.values()],
        [reconciled for _, reconciled in counts.values()],
    )


async def count_refusals(writer: Writer, counts: Mapping[tuple[str, str], int], day: date) -> None:
    """Count deliveries that were not genuine, by (source, reason)."""
    await writer.execute(
        """INSERT INTO refusal AS r (source, day, reason, count)
           SELECT source, $4, reason, count
           FROM unnest($1::text[], $2::text[], $3::bigint[]) AS c (source, reason, count)
           ON CONFLICT (source, day, reason) DO UPDATE SET count = r.count + excluded.count""",
        [source for source, _ in counts],
        [reason for _, reason in counts],
        list(counts.values()),
        day,
    )


async def load_poll(reader: Reader, source: str, kind: str) -> Poll | None:
    """How far it has been polled; None if it never was."""
    row = await reader.row(
        "SELECT connected_at, through, until, page FROM poll WHERE source = $1 AND kind = $2", source, kind
    )
    return None if row is None else Poll(**row)


async def save_poll(
    writer: Writer, source: str, kind: str, poll: Poll, since: datetime | None, now: datetime, detail: str = ""
) -> None:
    """Remember how far it has been polled, or why it fails. Not if it is not polled through `since` any more: then it
    was forgotten meanwhile, and everything is to be polled."""
    await writer.execute(
        """INSERT INTO poll AS p (source, kind, connected_at, through, until, page, polled_at, detail)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
           ON CONFLICT (source, kind) DO UPDATE
           SET through = excluded.through, until = excluded.until, page = excluded.page,
               polled_at = CASE WHEN excluded.detail = '' THEN excluded.polled_at ELSE p.polled_at END,
               detail = excluded.detail
           WHERE p.through IS NOT DISTINCT FROM $9""",
        source,
        kind,
        poll.connected_at,
        poll.through,
        poll.until,
        poll.page,
        None if detail else now,
        detail,
        since,
    )


async def load_subscription(reader: Reader, source: str) -> Subscription | None:
    """The subscription as it was when last looked at."""
    row = await reader.row("SELECT id, expires_at, detail FROM subscription WHERE source = $1", source)
    return None if row is None else Subscription(**row)


async def save_subscription(writer: Writer, source: str, found: Subscription, now: datetime) -> None:
    """Remember the subscription."""
    await writer.execute(
        """INSERT INTO subscription (source, id, expires_at, checked_at, detail) VALUES ($1, $2, $3, $4, $5)
           ON CONFLICT (source) DO UPDATE SET id = excluded.id, expires_at = excluded.expires_at,
             checked_at = excluded.checked_at, detail = excluded.detail""",
        source,
        found.id,
        found.expires_at,
        now,
        found.detail,
    )


async def load_position(reader: Reader, source: str) -> str | None:
    """How far a feed has been taken in."""
    found: str | None = await reader.value("SELECT position FROM feed WHERE source = $1", source)
    return found


async def save_position(writer: Writer, source: str, position: str | None, now: datetime) -> None:
    """Remember how far a feed has been taken in; None forgets it."""
    if position is None:
        await writer.execute("DELETE FROM feed WHERE source = $1", source)
        return
    await writer.execute(
        """INSERT INTO feed (source, position, moved_at) VALUES ($1, $2, $3)
           ON CONFLICT (source) DO UPDATE SET position = excluded.position, moved_at = excluded.moved_at""",
        source,
        position,
        now,
    )


async def forget_polls(writer: Writer, source: str) -> None:
    """Poll everything from the beginning: a feed lost its place."""
    await writer.execute("UPDATE poll SET through = NULL, until = NULL, page = NULL WHERE source = $1", source)


async def coverage(reader: Reader, since: date) -> dict[str, list[Mapping[str, Any]]]:
    """By source, day by day, the newest first."""
    rows = await reader.rows(
        "SELECT source, day, delivered, polled, reconciled FROM coverage WHERE day >= $1 ORDER BY source, day DESC",
        since,
    )
    return _by_source(rows)


async def last_deliveries(reader: Reader) -> dict[str, datetime]:
    """When each source was last heard, by webhook or feed."""
    rows = await reader.rows("SELECT source, max(last_delivery_at) AS last FROM coverage GROUP BY source")
    return {row["source"]: row["last"] for row in rows}


async def kept_since(reader: Reader, names: Sequence[str], since: datetime) -> dict[str, int]:
    """How many deliveries and reads that said something new came from each of these sources."""
    rows = await reader.rows(
        """SELECT name, (SELECT count(*) FROM raw WHERE source = name AND received_at >= $2) AS kept
           FROM unnest($1::text[]) AS name""",
        list(names),
        since,
    )
    return {row["name"]: row["kept"] for row in rows}


async def refusals(reader: Reader, since: date) -> dict[str, dict[str, int]]:
    """By source and reason."""
    rows = await reader.rows(
        """SELECT source, reason, sum(count)::bigint AS count FROM refusal WHERE day >= $1
           GROUP BY source, reason ORDER BY source, reason""",
        since,
    )
    found: dict[str, dict[str, int]] = {}
    for row in rows:
        found.setdefault(row["source"], {})[row["reason"]] = row["count"]
    return found


async def polls(reader: Reader) -> dict[str, list[Mapping[str, Any]]]:
    """By source."""
    return _by_source(
        await reader.rows("SELECT source, kind, through, polled_at, detail FROM poll ORDER BY source, kind")
    )


async def subscriptions(reader: Reader) -> dict[str, Mapping[str, Any]]:
    """By source."""
    rows = await reader.rows("SELECT source, id, expires_at, checked_at, detail FROM subscription")
    return {name: found[0] for name, found in _by_source(rows).items()}


def _by_source(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    found: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["source"], []).append({name: row[name] for name in row.keys() if name != "source"})  # noqa: SIM118 - asyncpg's rows iterate values
    return found
