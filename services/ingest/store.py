"""Writes around the inbox: the quarantine and the imports."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from services.ingest.domain.candidates import Candidate
from services.ingest.imports import ErrorPart
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
    raw_id: str | None = None


class Raw(msgspec.Struct, frozen=True):
    """What came in, byte for byte; `headers` without credentials and signatures."""

    id: str
    received_at: datetime
    kind: str
    """events, webhook or read."""
    content_type: str
    headers: Mapping[str, Any]
    body: bytes
    source: str | None = None
    """Name of the configured source that sent it, or from whose API it was read."""

    def __repr__(self) -> str:
        return f"Raw({self.id!r}, …)"


async def save_raws(writer: Writer, raws: Sequence[Raw]) -> None:
    """Keep bytes; what is kept already stays as it is."""
    first = {raw.id: raw for raw in raws}.values()
    if first:
        await writer.execute(
            """INSERT INTO raw (id, received_at, kind, content_type, headers, body, source)
               SELECT * FROM unnest($1::text[], $2::timestamptz[], $3::text[], $4::text[], $5::jsonb[], $6::bytea[],
                                    $7::text[])
               ON CONFLICT (id) DO NOTHING""",
            [raw.id for raw in first],
            [raw.received_at for raw in first],
            [raw.kind for raw in first],
            [raw.content_type for raw in first],
            [dict(raw.headers) for raw in first],
            [raw.body for raw in first],
            [raw.source for raw in first],
        )


async def save_held(writer: Writer, held: Sequence[Held], now: datetime) -> None:
    """Put things into the quarantine; what is there already stays as it is."""
    for one in held:
        await writer.execute(
            """INSERT INTO quarantine (id, received_at, source, event_id, waits_for, reason, detail, candidate,
                                       raw_id, attempts)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0)
               ON CONFLICT (source, event_id) DO NOTHING""",
            one.id,
            now,
            one.source,
            one.event_id,
            one.waits_for,
            one.reason,
            one.detail,
            None if one.candidate is None else pack_candidate(one.candidate),
            one.raw_id,
        )


async def save_attempt(writer: Writer, held_id: str, *, at: datetime, released: bool, detail: str) -> None:
    """Remember that something was tried again, and whether it got through."""
    await writer.execute(
        """UPDATE quarantine SET attempts = attempts + 1, tried_at = $2,
             released_at = CASE WHEN $3 THEN coalesce(released_at, $2) ELSE released_at END,
             detail = CASE WHEN $3 THEN detail ELSE $4 END
           WHERE id = $1""",
        held_id,
        at,
        released,
        detail,
    )


async def load_waiting(reader: Reader, waits_for: str) -> list[str]:
    """What waits for the arrival of `entity/id`."""
    rows = await reader.rows(
        "SELECT id FROM quarantine WHERE waits_for = $1 AND released_at IS NULL ORDER BY received_at", waits_for
    )
    return [row["id"] for row in rows]


async def load_forgotten(reader: Reader) -> list[str]:
    """What waits for a stage map of which something came after it was last tried; a minute is left for two clocks."""
    rows = await reader.rows(
        """SELECT id FROM quarantine q WHERE released_at IS NULL AND EXISTS (
             SELECT FROM event e WHERE e.entity = 'stage-map' AND q.waits_for = 'stage-map/' || e.subject
               AND e.accepted_at > coalesce(q.tried_at, q.received_at) - interval '1 minute')
           ORDER BY received_at"""
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


async def save_import_errors(writer: Writer, import_id: str, parts: Iterable[ErrorPart]) -> None:
    """Keep the error files of an import in place of those of its run before."""
    await writer.execute("DELETE FROM import_error WHERE import_id = $1", import_id)
    for part in parts:
        await writer.execute(
            "INSERT INTO import_error (import_id, number, file, rows, body) VALUES ($1, $2, $3, $4, $5)",
            import_id,
            part.number,
            part.file,
            part.rows,
            part.body,
        )


async def save_file(writer: Writer, raw_id: str, name: str, content_type: str, body: bytes, now: datetime) -> None:
    """Keep an imported file, byte for byte; the same bytes once."""
    await writer.execute(
        """INSERT INTO raw (id, received_at, kind, content_type, headers, body)
           VALUES ($1, $2, 'import', $3, $4, $5) ON CONFLICT (id) DO NOTHING""",
        raw_id,
        now,
        content_type,
        {"file": name},
        body,
    )
