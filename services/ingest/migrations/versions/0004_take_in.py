"""The inbox commit as one function: one statement, one round trip, one transaction.

PL/pgSQL and not one statement of SQL: what follows the lock has to see what was committed before it was granted.
"""

from alembic import op

revision = "0004"
down_revision = "0003"

TYPES = (
    """
CREATE TYPE event_said AS (
  source text, event_id text, revision int, entity text, subject text, occurred_at timestamptz, sequence bigint,
  cause text, traceparent text,
  known_day date,  -- of history only
  content bytea, public bytea, personal bytea, raw_id text, raw_part text,
  homes int[]  -- its slot in each open generation; null if every slot gets it
)""",
    """
CREATE TYPE raw_said AS (
  id text, received_at timestamptz, kind text, content_type text, headers jsonb, body bytea, source text,
  anyhow boolean  -- kept also if no event that was read from it is new
)""",
    "CREATE TYPE read_asked AS (source text, kind text, object_id text, cause text)",
    "CREATE TYPE delivered AS (source text, times bigint)",
)

TAKE_IN = """
CREATE FUNCTION take_in(
  -- Business days in order, and when each begins; the last one only ends the one before.
  days date[], begins timestamptz[],
  -- Of every open generation.
  slots int[],
  events event_said[], raws raw_said[], asked read_asked[], deliveries delivered[],
  -- Null if no day that was given is that of the commit, or if these are not the open slots: nothing was done.
  OUT today date, OUT at timestamptz,
  -- 0 accepted, 1 known before, 2 known with other content; null if all are accepted.
  OUT statuses int[],
  -- Which event stands where.
  OUT places int[], OUT in_partition int[], OUT numbers bigint[]
) LANGUAGE plpgsql AS $$
DECLARE
  known_slots int[];
  eras int[];
  heads bigint[];
  new int;
BEGIN
  -- Held through the commit: number order is commit order.
  PERFORM pg_advisory_xact_lock(hashtextextended('quintant inbox ' || current_schema(), 0));
  at := clock_timestamp();
  IF at < begins[1] OR at >= begins[cardinality(begins)] THEN
    RETURN;
  END IF;
  SELECT array_agg(p ORDER BY p), array_agg(coalesce(h.epoch, 1) ORDER BY p),
         array_agg(coalesce(h.number, 0) ORDER BY p), max(h.known_on)
  INTO known_slots, eras, heads, today
  FROM generation AS g CROSS JOIN LATERAL generate_series(g.first, g.first + g.partitions - 1) AS p
  LEFT JOIN head AS h ON h.partition = p WHERE g.opened_at IS NOT NULL;
  IF known_slots IS DISTINCT FROM slots THEN
    today := NULL;
    RETURN;
  END IF;
  today := greatest(today, (SELECT max(d.day) FROM unnest(days, begins) AS d (day, start) WHERE d.start <= at));

  WITH said AS MATERIALIZED (
    SELECT nextval('event_seq_seq') AS seq, u.*
    FROM unnest(events) WITH ORDINALITY
      AS u (source, event_id, revision, entity, subject, occurred_at, sequence, cause, traceparent, known_day,
            content, public, personal, raw_id, raw_part, homes, place)
  ), fresh AS (
    INSERT INTO event (seq, source, event_id, revision, entity, subject, occurred_at, sequence, cause, traceparent,
                       known_on, reconstructed, content, public, personal, raw_id, raw_part, accepted_at, recorded_on)
    SELECT s.seq, s.source, s.event_id, s.revision, s.entity, s.subject, s.occurred_at, s.sequence, s.cause,
           s.traceparent, least(s.known_day, today), s.known_day IS NOT NULL, s.content, s.public, s.personal,
           s.raw_id, s.raw_part, at, today
    FROM said AS s
    ON CONFLICT (source, event_id, revision) DO NOTHING
    RETURNING seq
  ), drawn AS MATERIALIZED (
    SELECT s.seq, s.place, p AS partition,
           heads[p - slots[1] + 1] + row_number() OVER (PARTITION BY p ORDER BY s.place) AS number
    FROM fresh JOIN said AS s USING (seq)
    CROSS JOIN LATERAL unnest(coalesce(s.homes, slots)) AS p
  ), published AS (
    INSERT INTO stream (partition, number, epoch, seq)
    SELECT d.partition, d.number, eras[d.partition - slots[1] + 1], d.seq FROM drawn AS d
  )
  SELECT array_agg(d.place), array_agg(d.partition), array_agg(d.number), count(DISTINCT d.place)
  INTO places, in_partition, numbers, new FROM (SELECT * FROM drawn ORDER BY drawn.partition) AS d;

  IF new > 0 THEN
    INSERT INTO head AS h (partition, epoch, number, last_valid, known_on)
    SELECT p, eras[p - slots[1] + 1], greatest(heads[p - slots[1] + 1], (
             SELECT max(d.number) FROM unnest(in_partition, numbers) AS d (partition, number)
                                           WHERE d.partition = p)), 0, today
    FROM unnest(slots) AS p
    ON CONFLICT (partition) DO UPDATE
    SET number = excluded.number, known_on = greatest(h.known_on, excluded.known_on);
    NOTIFY quintant_inbox;
  END IF;

  IF new < cardinality(events) THEN
    statuses := ARRAY(
      SELECT CASE WHEN u.place = ANY (places) THEN 0 WHEN e.content = u.content THEN 1 ELSE 2 END
      FROM (SELECT place, (events[place]).* FROM generate_subscripts(events, 1) AS place) AS u
      JOIN event AS e USING (source, event_id, revision) ORDER BY u.place);
    SELECT places || array_agg(k.place), in_partition || array_agg(k.partition), numbers || array_agg(k.number)
    INTO places, in_partition, numbers
    FROM (SELECT u.place, s.partition, s.number
          FROM (SELECT place, (events[place]).* FROM generate_subscripts(events, 1) AS place) AS u
          JOIN event AS e USING (source, event_id, revision) JOIN stream AS s USING (seq)
          WHERE statuses[u.place] = 1 ORDER BY s.partition) AS k;
  END IF;

  IF cardinality(raws) > 0 THEN
    INSERT INTO raw (id, received_at, kind, content_type, headers, body, source)
    SELECT r.id, r.received_at, r.kind, r.content_type, r.headers, r.body, r.source
    FROM unnest(raws) AS r
    WHERE statuses IS NULL OR r.anyhow
       OR r.id IN (SELECT (events[place]).raw_id FROM generate_subscripts(events, 1) AS place WHERE statuses[place] = 0)
    ON CONFLICT (id) DO NOTHING;
  END IF;

  IF cardinality(events) > 0 THEN
    INSERT INTO source AS s (source, first_accepted_at, last_accepted_at, last_occurred_at, accepted, duplicate,
                             rejected, live_since)
    SELECT u.source, at, at, max(u.occurred_at), count(*) FILTER (WHERE u.status = 0),
           count(*) FILTER (WHERE u.status = 1), count(*) FILTER (WHERE u.status = 2),
           CASE WHEN bool_or(u.status = 0 AND u.known_day IS NULL) THEN at END
    FROM (SELECT (events[place]).source, (events[place]).occurred_at, (events[place]).known_day,
                 coalesce(statuses[place], 0) AS status
          FROM generate_subscripts(events, 1) AS place) AS u
    GROUP BY u.source
    ON CONFLICT (source) DO UPDATE
    SET last_accepted_at = CASE WHEN excluded.accepted > 0 THEN excluded.last_accepted_at ELSE s.last_accepted_at END,
        last_occurred_at = greatest(s.last_occurred_at, excluded.last_occurred_at),
        accepted = s.accepted + excluded.accepted, duplicate = s.duplicate + excluded.duplicate,
        rejected = s.rejected + excluded.rejected, live_since = coalesce(s.live_since, excluded.live_since);
  END IF;

  IF cardinality(asked) > 0 THEN
    INSERT INTO to_read AS t (source, kind, object_id, asked_at, due_at, asked, attempts, cause, detail)
    SELECT u.source, u.kind, u.object_id, at, at, 1, 0, u.cause, ''
    FROM unnest(asked) AS u
    ON CONFLICT (source, kind, object_id) DO UPDATE SET asked = t.asked + 1, cause = excluded.cause;
    NOTIFY quintant_to_read;
  END IF;

  IF cardinality(deliveries) > 0 THEN
    INSERT INTO coverage AS c (source, day, delivered, last_delivery_at, polled, reconciled)
    SELECT u.source, today, u.times, at, 0, 0 FROM unnest(deliveries) AS u
    ON CONFLICT (source, day) DO UPDATE
    SET delivered = c.delivered + excluded.delivered, last_delivery_at = excluded.last_delivery_at;
  END IF;
END $$
"""


def upgrade() -> None:
    for statement in (*TYPES, TAKE_IN):
        op.execute(statement)
