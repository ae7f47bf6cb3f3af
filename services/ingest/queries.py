"""Reads: events raw and canonical, the quarantine, sources, imports, persons."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from services.ingest.domain.agreement import Known
from services.ingest.store import Held, Raw
from services.ingest.wire import unpack_candidate
from shared.contracts.entities import statement
from shared.kernel.journal import Assertion, Stamp, states
from shared.sales.company import Pipelines
from shared.storage.database import Reader

_AROUND = timedelta(minutes=10)
"""Clocks of api and database may differ, and a commit may wait."""


async def event(reader: Reader, source: str, event_id: str) -> list[dict[str, Any]]:
    """Every revision of an event, the newest first: what was said, when it was learned, where it was published, and the
    bytes from which it was read."""
    rows = await reader.rows(
        """SELECT e.*, r.kind AS raw_kind, r.content_type, r.headers, r.body, r.received_at,
                  array_agg(g.number ORDER BY s.partition) AS generations,
                  array_agg(s.partition - g.first ORDER BY s.partition) AS partitions,
                  array_agg(s.number ORDER BY s.partition) AS numbers
           FROM event e JOIN stream s ON s.seq = e.seq
           JOIN generation g ON s.partition >= g.first AND s.partition < g.first + g.partitions
           LEFT JOIN raw r ON r.id = e.raw_id
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
        "published": [
            {"generation": generation, "partition": partition, "number": number}
            for generation, partition, number in zip(row["generations"], row["partitions"], row["numbers"], strict=True)
        ],
        "raw": None
        if row["raw_id"] is None
        else {"id": row["raw_id"], "part": row["raw_part"], "kind": row["raw_kind"]},
    }


async def raw(reader: Reader, raw_id: str) -> Mapping[str, Any] | None:
    """The bytes that came in, with their content type."""
    return await reader.row("SELECT content_type, body FROM raw WHERE id = $1", raw_id)


async def raw_whole(reader: Reader, raw_id: str) -> Raw | None:
    """Everything that was kept under this id."""
    row = await reader.row(
        "SELECT id, received_at, kind, content_type, headers, body, source FROM raw WHERE id = $1", raw_id
    )
    return None if row is None else Raw(**row)


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
    fields = ("id", "source", "event_id", "waits_for", "reason", "detail", "raw_id")
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
        """SELECT source, first_accepted_at, last_accepted_at, last_occurred_at, live_since,
                  coalesce(accepted, 0) AS accepted, coalesce(duplicate, 0) AS duplicate,
                  coalesce(rejected, 0) AS rejected, coalesce(waiting, 0) AS quarantined
           FROM source FULL JOIN
             (SELECT source, count(*) AS waiting FROM quarantine WHERE released_at IS NULL GROUP BY source) AS q
             USING (source)
           ORDER BY source"""
    )
    return [dict(row) for row in rows]


async def is_live(reader: Reader, source: str) -> bool:
    """Whether a source has sent anything but imported history: then its history cannot be dated back any more."""
    return bool(await reader.value("SELECT live_since IS NOT NULL FROM source WHERE source = $1", source))


async def import_report(reader: Reader, import_id: str) -> Mapping[str, Any] | None:
    """What became of an import."""
    return await reader.row("SELECT id, started_at, finished_at, mapping, report FROM import WHERE id = $1", import_id)


async def import_error_files(reader: Reader, import_id: str) -> list[str] | None:
    """The files of which rows were rejected; None if there is no such import."""
    if await reader.value("SELECT id FROM import WHERE id = $1", import_id) is None:
        return None
    rows = await reader.rows(
        "SELECT file FROM import_error WHERE import_id = $1 GROUP BY file ORDER BY min(number)", import_id
    )
    return [row["file"] for row in rows]


async def import_error_part(
    reader: Reader, import_id: str, file: str | None, after: int
) -> tuple[int, str, bytes] | None:
    """The next part of the error files, or of one of them: its number, its file, and its compressed rows."""
    row = await reader.row(
        """SELECT number, file, body FROM import_error
           WHERE import_id = $1 AND number > $2 AND ($3::text IS NULL OR file = $3) ORDER BY number LIMIT 1""",
        import_id,
        after,
        file,
    )
    return None if row is None else (row["number"], row["file"], row["body"])


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
    return frozenset(label for label, entry in entries.items() if pipelines.knows(pipeline, str(entry.get("stage"))))


async def said_by(reader: Reader, source: str, entities: Sequence[tuple[str, str]]) -> dict[str, Known]:
    """What one source has said of these (entity, subject) so far, by `entity/subject`."""
    rows = await reader.rows(
        """SELECT entity, subject, occurred_at, sequence, event_id, public, personal, known_on, revision
           FROM event JOIN unnest($2::text[], $3::text[]) AS k (entity, subject) USING (entity, subject)
           WHERE source = $1 ORDER BY occurred_at, sequence, event_id, revision""",
        source,
        [entity for entity, _ in entities],
        [subject for _, subject in entities],
    )
    latest: dict[str, int] = {}
    for row in rows:
        latest[row["event_id"]] = max(row["revision"], latest.get(row["event_id"], 0))
    assertions: dict[str, list[Assertion]] = {}
    personal: dict[str, dict[str, Any]] = {}
    for row in rows:
        if row["revision"] != latest[row["event_id"]]:
            continue
        key = f"{row['entity']}/{row['subject']}"
        said = statement(row["public"])
        stamp = Stamp(row["occurred_at"], row["sequence"], source, row["event_id"])
        assertions.setdefault(key, []).append(Assertion(stamp, row["known_on"], said.said, said.ended))
        if row["personal"] is not None:
            personal.setdefault(key, {}).update(msgspec.json.decode(row["personal"]))
    return {key: Known(found, personal.get(key, {})) for key, found in assertions.items()}


async def revisions(reader: Reader, identities: Sequence[tuple[str, str]]) -> dict[tuple[str, str], tuple[int, bytes]]:
    """The newest revision of each of these events, and the digest of its content."""
    rows = await reader.rows(
        """SELECT DISTINCT ON (source, event_id) source, event_id, revision, content FROM event
           JOIN unnest($1::text[], $2::text[]) AS k (source, event_id) USING (source, event_id)
           ORDER BY source, event_id, revision DESC""",
        [source for source, _ in identities],
        [event_id for _, event_id in identities],
    )
    return {(row["source"], row["event_id"]): (row["revision"], row["content"]) for row in rows}


async def events_of(reader: Reader, raws: Sequence[Raw]) -> dict[str, set[tuple[str, str]]]:
    """Which events were read from these bytes when they came, by the id of the bytes."""
    if not raws:
        return {}
    rows = await reader.rows(
        """SELECT DISTINCT raw_id, source, event_id FROM event
           WHERE raw_id = ANY($1::text[]) AND accepted_at BETWEEN $2 AND $3""",
        [raw.id for raw in raws],
        min(raw.received_at for raw in raws) - _AROUND,
        max(raw.received_at for raw in raws) + _AROUND,
    )
    found: dict[str, set[tuple[str, str]]] = {}
    for row in rows:
        found.setdefault(row["raw_id"], set()).add((row["source"], row["event_id"]))
    return found


async def raws_of(
    reader: Reader, source: str, since: datetime, after: tuple[datetime, str] | None, limit: int
) -> list[Raw]:
    """The bytes kept of a configured source, oldest first."""
    rows = await reader.rows(
        """SELECT id, received_at, kind, content_type, headers, body, source FROM raw
           WHERE source = $1 AND received_at >= $2 AND ($3::timestamptz IS NULL OR (received_at, id) > ($3, $4))
           ORDER BY received_at, id LIMIT $5""",
        source,
        since,
        after[0] if after else None,
        after[1] if after else None,
        limit,
    )
    return [Raw(**row) for row in rows]


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
