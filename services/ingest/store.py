"""Writes around the inbox: the quarantine and the imports."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.ingest.domain.candidates import Candidate
from services.ingest.wire import pack_candidate
from shared.storage.database import Reader, Writer


@dataclass(frozen=True, slots=True)
class Held:
    """One thing in the quarantine: a candidate, or raw bytes that no adapter could read yet."""

    id: str
    source: str
    event_id: str
    waits_for: str
    reason: str
    detail: str
    candidate: Candidate | None = None
    raw_kind: str | None = None
    raw_headers: Mapping[str, str] | None = None
    raw_body: bytes | None = None


async def save_held(writer: Writer, held: Sequence[Held], now: datetime) -> None:
    """Put things into the quarantine; what is there already stays as it is."""
    for one in held:
        await writer.execute(
            """INSERT INTO quarantine (id, received_at, source, event_id, waits_for, reason, detail, candidate,
                                       raw_kind, raw_headers, raw_body, attempts)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0)
               ON CONFLICT (source, event_id) DO NOTHING""",
            one.id,
            now,
            one.source,
            one.event_id,
            one.waits_for,
            one.reason,
            one.detail,
            None if one.candidate is None else pack_candidate(one.candidate),
            one.raw_kind,
            None if one.raw_headers is None else dict(one.raw_headers),
            one.raw_body,
        )


async def save_attempt(writer: Writer, held_id: str, *, released_at: datetime | None, detail: str) -> None:
    """Remember that something was tried again, and whether it got through."""
    await writer.execute(
        """UPDATE quarantine SET attempts = attempts + 1, released_at = coalesce(released_at, $2),
             detail = CASE WHEN $2::timestamptz IS NULL THEN $3 ELSE detail END
           WHERE id = $1""",
        held_id,
        released_at,
        detail,
    )


async def load_waiting(reader: Reader, waits_for: str) -> list[str]:
    """What waits for the arrival of `entity/id`."""
    rows = await reader.rows(
        "SELECT id FROM quarantine WHERE waits_for = $1 AND released_at IS NULL ORDER BY received_at", waits_for
    )
    return [row["id"] for row in rows]


async def save_import(
    writer: Writer, import_id: str, mapping: str, report: Mapping[str, object], *, started: datetime, finished: datetime
) -> None:
    """Keep the report of an import; the latest run of the same files replaces the one before."""
    await writer.execute(
        """INSERT INTO import (id, started_at, finished_at, mapping, report) VALUES ($1, $2, $3, $4, $5)
           ON CONFLICT (id) DO UPDATE SET finished_at = excluded.finished_at, report = excluded.report""",
        import_id,
        started,
        finished,
        mapping,
        dict(report),
    )


async def save_file(writer: Writer, raw_id: str, name: str, body: bytes, now: datetime) -> None:
    """Keep an imported file, byte for byte; the same bytes once."""
    await writer.execute(
        """INSERT INTO raw (id, received_at, kind, content_type, headers, body)
           VALUES ($1, $2, 'import', 'text/csv', $3, $4) ON CONFLICT (id) DO NOTHING""",
        raw_id,
        now,
        {"file": name},
        body,
    )
