"""Reads: events raw and canonical, the quarantine, sources, imports, persons."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from services.ingest.domain.stages import StageNamed, is_configured
from services.ingest.store import Held
from services.ingest.wire import unpack_candidate
from shared.contracts.entities import statement
from shared.kernel.journal import Assertion, Stamp, states
from shared.sales.company import Pipelines
from shared.storage.database import Reader


async def event(reader: Reader, source: str, event_id: str) -> list[dict[str, Any]]:
    """Every revision of an event, the newest first: what was said, when it was learned, where it was published, and the
    bytes from which it was read."""
    rows = await reader.rows(
        """SELECT e.*, r.kind AS raw_kind, r.content_type, r.headers, r.body, r.received_at,
                  array_agg(s.partition ORDER BY s.partition) AS partitions,
                  array_agg(s.number ORDER BY s.partition) AS numbers
           FROM event e JOIN stream s ON s.seq = e.seq LEFT JOIN raw r ON r.id = e.raw_id
           WHERE e.source = $1 AND e.event_id = $2 GROUP BY e.seq, r.id ORDER BY e.revision DESC""",
        source,
        event_id,
    )
    return [_event(row) for row in rows]


def _event(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "source": row["source"],
        "id": row["event_id"],
        "revision": row["revision"],
        "entity": row["entity"],
        "subject": row["subject"],
        "time": row["occurred_at"],
        "sequence": row["sequence"],
        "cause": row["cause"],
        "accepted_at": row["accepted_at"],
        "known_on": row["known_on"],
        "reconstructed": row["reconstructed"],
        "data": msgspec.json.decode(row["public"]),
        "has_personal_data": row["personal"] is not None,
        "published": [{"partition": p, "number": n} for p, n in zip(row["partitions"], row["numbers"], strict=True)],
        "raw": None
        if row["raw_id"] is None
        else {"id": row["raw_id"], "part": row["raw_part"], "kind": row["raw_kind"]},
    }


async def raw(reader: Reader, raw_id: str) -> Mapping[str, Any] | None:
    """The bytes that came in, with their content type."""
    return await reader.row("SELECT content_type, body FROM raw WHERE id = $1", raw_id)


async def held(
    reader: Reader, after: tuple[datetime, str] | None, limit: int, *, released: bool
) -> list[dict[str, Any]]:
    """What waits in the quarantine (or was released), oldest first."""
    rows = await reader.rows(
        """SELECT id, received_at, source, event_id, waits_for, reason, detail, attempts, released_at FROM quarantine
           WHERE (released_at IS NOT NULL) = $1 AND ($2::timestamptz IS NULL OR (received_at, id) > ($2, $3))
           ORDER BY received_at, id LIMIT $4""",
        released,
        after[0] if after else None,
        after[1] if after else None,
        limit,
    )
    return [dict(row) for row in rows]


async def held_one(reader: Reader, held_id: str) -> tuple[Held, datetime | None] | None:
    """One thing in the quarantine, and when it was released."""
    row = await reader.row("SELECT * FROM quarantine WHERE id = $1", held_id)
    if row is None:
        return None
    candidate = None if row["candidate"] is None else unpack_candidate(row["candidate"])
    fields = ("id", "source", "event_id", "waits_for", "reason", "detail", "raw_kind", "raw_headers", "raw_body")
    return Held(**{name: row[name] for name in fields}, candidate=candidate), row["released_at"]


async def held_as(reader: Reader, source: str, event_id: str) -> str | None:
    """The quarantine id under which an event waits."""
    found: str | None = await reader.value(
        "SELECT id FROM quarantine WHERE source = $1 AND event_id = $2 AND released_at IS NULL", source, event_id
    )
    return found


async def sources(reader: Reader) -> list[dict[str, Any]]:
    """Every source that ever sent something, with its figures and what of it waits in the quarantine."""
    rows = await reader.rows(
        """SELECT s.*, coalesce(q.waiting, 0) AS quarantined FROM source s
           LEFT JOIN (SELECT source, count(*) AS waiting FROM quarantine WHERE released_at IS NULL GROUP BY source) q
             USING (source)
           ORDER BY s.source"""
    )
    return [dict(row) for row in rows]


async def is_live(reader: Reader, source: str) -> bool:
    """Whether a source has sent anything but imported history: then its history cannot be dated back any more."""
    return bool(await reader.value("SELECT live_since IS NOT NULL FROM source WHERE source = $1", source))


async def import_report(reader: Reader, import_id: str) -> Mapping[str, Any] | None:
    """What became of an import."""
    return await reader.row("SELECT id, started_at, finished_at, mapping, report FROM import WHERE id = $1", import_id)


async def mapped_labels(reader: Reader, stage_map: str, pipeline: str, pipelines: Pipelines) -> frozenset[str]:
    """The labels that a stage map, as known now, maps to configured stages."""
    rows = await reader.rows(
        """SELECT source, event_id, occurred_at, sequence, public, known_on FROM event
           WHERE entity = 'stage-map' AND subject = $1 ORDER BY occurred_at, sequence, source, event_id, revision""",
        stage_map,
    )
    said = [
        Assertion(
            Stamp(row["occurred_at"], row["sequence"], row["source"], row["event_id"]),
            row["known_on"],
            statement(row["public"]).said,
        )
        for row in rows
    ]
    lived = states(said, frozenset({"stages"}))
    if not lived:
        return frozenset()
    entries = lived[-1].entries("stages")
    return frozenset(
        label
        for label, entry in entries.items()
        if is_configured(StageNamed("", pipeline, str(entry.get("stage"))), pipelines)
    )


async def persons(reader: Reader, entity: str, ids: list[str]) -> dict[str, dict[str, Any]]:
    """The personal data that were said last about these subjects, field by field."""
    rows = await reader.rows(
        """SELECT subject, personal FROM event WHERE entity = $1 AND subject = ANY($2::text[]) AND personal IS NOT NULL
           ORDER BY occurred_at, sequence, source, event_id, revision""",
        entity,
        ids,
    )
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        found.setdefault(row["subject"], {}).update(msgspec.json.decode(row["personal"]))
    return found


async def contents(reader: Reader, identities: Sequence[tuple[str, str]]) -> dict[tuple[str, str], bytes]:
    """Digests of what was accepted under these identities."""
    rows = await reader.rows(
        """SELECT source, event_id, content FROM event
           JOIN unnest($1::text[], $2::text[]) AS k (source, event_id) USING (source, event_id) WHERE revision = 0""",
        [source for source, _ in identities],
        [event_id for _, event_id in identities],
    )
    return {(row["source"], row["event_id"]): row["content"] for row in rows}
