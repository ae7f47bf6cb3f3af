"""The tables of schema `metrics_permanent`: what was said or done once, and can be rebuilt from nothing."""

from sqlalchemy import BigInteger, Column, DateTime, Index, Integer, LargeBinary, MetaData, Numeric, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData()

Table(
    "alert_rule",
    metadata,
    Column("id", Text, primary_key=True),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("created_by", Text, nullable=False, comment="name of the API key"),
    Column("rule", JSONB, nullable=False),
    Column("disabled_at", DateTime(timezone=True)),
    Column("disabled_by", Text),
)

Table(
    "alert_transition",
    metadata,
    Column("rule", Text, primary_key=True),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False, comment="1, 2, 3, … within the rule"),
    Column("episode", Text, nullable=False),
    Column(
        "state", Text, nullable=False, comment="pending, firing, acknowledged, resolved; ok: lapsed before it fired"
    ),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("value", Numeric, comment="what was read; null where a person acted"),
    Column("complete_through", DateTime(timezone=True)),
    Column("caller", Text, comment="who acknowledged or disabled; null for the evaluator"),
    Index("alert_transition_episode", "episode", "sequence"),
    comment="Episodes, append-only: the last transition of a rule is its present state.",
)

Table(
    "webhook_delivery",
    metadata,
    Column("id", Text, primary_key=True, comment="webhook-id, the same on every attempt"),
    Column("receiver", Text, nullable=False, comment="derived from its URL, which may hold a secret"),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("due_at", DateTime(timezone=True), comment="of the next attempt; null: none will follow"),
    Index("webhook_delivery_due", "due_at", postgresql_where=text("due_at IS NOT NULL")),
)

Table(
    "webhook_attempt",
    metadata,
    Column("delivery", Text, primary_key=True),
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("outcome", Text, nullable=False, comment="delivered, retry, gone or refused"),
    Column("status", Integer, comment="HTTP status; null when no answer came"),
    Column("reason", Text, nullable=False),
)

Table(
    "webhook_gone",
    metadata,
    Column("receiver", Text, primary_key=True, comment="answered 410: nothing is sent to it any more"),
    Column("at", DateTime(timezone=True), nullable=False),
)
