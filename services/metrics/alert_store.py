"""Alert rules, episodes and deliveries: kept for ever, changed only by appending; a rule may be disabled once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg
import msgspec

from services.metrics.domain.alerts import Rule, State, StoredRule, Transition
from shared.kernel.errors import ConflictError
from shared.storage.database import Reader, Writer


@dataclass(frozen=True, slots=True)
class DueDelivery:
    """A webhook that must be sent now."""

    id: str
    receiver: str
    body: bytes
    created_at: datetime
    attempts: int


_RULE = """SELECT r.id, r.rule, r.created_at, r.created_by, r.disabled_at,
                  t.sequence, t.episode, t.state, t.at, t.value, t.complete_through, t.caller
           FROM alert_rule r LEFT JOIN LATERAL (
             SELECT * FROM alert_transition WHERE rule = r.id ORDER BY sequence DESC LIMIT 1) t ON true"""


async def insert_rule(writer: Writer, rule_id: str, rule: Rule, *, at: datetime, by: str) -> None:
    """Keep a new rule."""
    await writer.execute(
        "INSERT INTO alert_rule (id, created_at, created_by, rule) VALUES ($1, $2, $3, $4)",
        rule_id,
        at,
        by,
        msgspec.to_builtins(rule),
    )


async def disable_rule(writer: Writer, rule_id: str, *, at: datetime, by: str) -> bool:
    """Whether it was enabled until now."""
    touched = await writer.execute(
        "UPDATE alert_rule SET disabled_at = $2, disabled_by = $3 WHERE id = $1 AND disabled_at IS NULL",
        rule_id,
        at,
        by,
    )
    return touched == 1


async def load_rules(reader: Reader) -> list[StoredRule]:
    """The enabled rules."""
    return [_stored(row) for row in await reader.rows(f"{_RULE} WHERE r.disabled_at IS NULL ORDER BY r.id")]


async def load_rule(reader: Reader, rule_id: str) -> StoredRule | None:
    """One rule, disabled or not."""
    row = await reader.row(f"{_RULE} WHERE r.id = $1", rule_id)
    return None if row is None else _stored(row)


async def list_rules(reader: Reader, after: tuple[datetime, str] | None, limit: int) -> list[StoredRule]:
    """Newest first."""
    rows = await reader.rows(
        f"""{_RULE} WHERE $1::timestamptz IS NULL OR (r.created_at, r.id) < ($1, $2)
            ORDER BY r.created_at DESC, r.id DESC LIMIT $3""",
        *(after or (None, None)),
        limit,
    )
    return [_stored(row) for row in rows]


async def load_burning(reader: Reader, ended_since: datetime) -> list[tuple[StoredRule, datetime]]:
    """The rules whose last episode burns, or burned until after `ended_since`; and when it began to fire."""
    rows = await reader.rows(
        f"""SELECT rules.*, firing.at AS fired_at FROM ({_RULE}) AS rules
            JOIN alert_transition firing ON firing.episode = rules.episode AND firing.state = 'firing'
            WHERE rules.state IN ('firing', 'acknowledged') OR (rules.state = 'resolved' AND rules.at >= $1)
            ORDER BY rules.id""",  # noqa: S608
        ended_since,
    )
    return [(_stored(row), row["fired_at"]) for row in rows]


async def list_episodes(
    reader: Reader, states: Sequence[State], after: tuple[datetime, str] | None, limit: int
) -> list[tuple[StoredRule, list[Transition]]]:
    """Episodes that stand in one of these states, the newest first, each with its steps."""
    rows = await reader.rows(
        """SELECT first.episode, first.rule FROM alert_transition first
           JOIN LATERAL (SELECT state FROM alert_transition
                         WHERE episode = first.episode ORDER BY sequence DESC LIMIT 1) last ON true
           WHERE first.state = 'pending' AND last.state = ANY($1::text[])
             AND ($2::timestamptz IS NULL OR (first.at, first.episode) < ($2, $3))
           ORDER BY first.at DESC, first.episode DESC LIMIT $4""",
        [state.value for state in states],
        *(after or (None, None)),
        limit,
    )
    steps = await load_transitions(reader, [row["episode"] for row in rows])
    rules = {
        row["id"]: _stored(row)
        for row in await reader.rows(f"{_RULE} WHERE r.id = ANY($1::text[])", list({row["rule"] for row in rows}))
    }
    return [(rules[row["rule"]], steps[row["episode"]]) for row in rows]


async def load_transitions(reader: Reader, episodes: Sequence[str]) -> dict[str, list[Transition]]:
    """The steps of these episodes, oldest first."""
    rows = await reader.rows(
        "SELECT * FROM alert_transition WHERE episode = ANY($1::text[]) ORDER BY episode, sequence", list(episodes)
    )
    found: dict[str, list[Transition]] = {episode: [] for episode in episodes}
    for row in rows:
        found[row["episode"]].append(_transition(row["rule"], row))
    return found


async def append_transition(writer: Writer, transition: Transition) -> None:
    """Append by compare-and-set on the rule's sequence. Raises ConflictError if somebody else was first."""
    try:
        await writer.execute(
            """INSERT INTO alert_transition (rule, sequence, episode, state, at, value, complete_through, caller)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8)""",
            transition.rule,
            transition.sequence,
            transition.episode,
            transition.state.value,
            transition.at,
            transition.value,
            transition.complete_through,
            transition.caller,
        )
    except asyncpg.UniqueViolationError as error:
        raise ConflictError("The episode went on in the meantime: look at it again.") from error


async def insert_delivery(writer: Writer, delivery_id: str, receiver: str, body: bytes, at: datetime) -> None:
    """Due at once, unless the receiver said that it is gone for ever."""
    await writer.execute(
        """INSERT INTO webhook_delivery (id, receiver, created_at, body, due_at)
           SELECT $1, $2, $3, $4, $3 WHERE NOT EXISTS (SELECT 1 FROM webhook_gone WHERE receiver = $2)""",
        delivery_id,
        receiver,
        at,
        body,
    )


async def load_due(reader: Reader, receiver: str, now: datetime, limit: int) -> list[DueDelivery]:
    """The deliveries that are due, oldest first."""
    rows = await reader.rows(
        """SELECT d.id, d.receiver, d.body, d.created_at, count(a.attempt) AS attempts
           FROM webhook_delivery d LEFT JOIN webhook_attempt a ON a.delivery = d.id
           WHERE d.due_at <= $2 AND d.receiver = $1
           GROUP BY d.id ORDER BY d.due_at, d.created_at, d.id LIMIT $3""",
        receiver,
        now,
        limit,
    )
    return [DueDelivery(row["id"], row["receiver"], row["body"], row["created_at"], row["attempts"]) for row in rows]


async def save_attempt(
    writer: Writer, delivery: DueDelivery, *, at: datetime, outcome: str, status: int | None, reason: str,
    next_at: datetime | None,
) -> None:  # fmt: skip
    """How an attempt ended, and when the next one is due; None: there is none."""
    await writer.execute(
        """INSERT INTO webhook_attempt (delivery, attempt, at, outcome, status, reason)
           VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING""",
        delivery.id,
        delivery.attempts + 1,
        at,
        outcome,
        status,
        reason,
    )
    await writer.execute("UPDATE webhook_delivery SET due_at = $2 WHERE id = $1", delivery.id, next_at)


async def save_gone(writer: Writer, receiver: str, at: datetime) -> None:
    """Nothing is sent to this receiver any more, not even what is waiting."""
    await writer.execute("INSERT INTO webhook_gone (receiver, at) VALUES ($1, $2) ON CONFLICT DO NOTHING", receiver, at)
    await writer.execute("UPDATE webhook_delivery SET due_at = NULL WHERE receiver = $1", receiver)


def _stored(row: asyncpg.Record) -> StoredRule:
    last = None if row["sequence"] is None else _transition(row["id"], row)
    rule = msgspec.convert(row["rule"], Rule)
    return StoredRule(row["id"], rule, row["created_at"], row["created_by"], row["disabled_at"], last)


def _transition(rule: str, row: asyncpg.Record) -> Transition:
    return Transition(
        rule,
        row["sequence"],
        row["episode"],
        State(row["state"]),
        row["at"],
        row["value"],
        row["complete_through"],
        row["caller"],
    )
