"""Alert rules, episodes and deliveries, in the schema that no rebuild touches: a new build finds them there."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"

_SCHEMA = "metrics_permanent"


def upgrade() -> None:
    _rules()
    _transitions()
    _deliveries()


def _rules() -> None:
    op.create_table(
        "alert_rule",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Text, nullable=False, comment="name of the API key"),
        sa.Column("rule", JSONB, nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True)),
        sa.Column("disabled_by", sa.Text),
        schema=_SCHEMA,
        if_not_exists=True,
    )


def _transitions() -> None:
    op.create_table(
        "alert_transition",
        sa.Column("rule", sa.Text, primary_key=True),
        sa.Column(
            "sequence", sa.BigInteger, primary_key=True, autoincrement=False, comment="1, 2, 3, … within the rule"
        ),
        sa.Column("episode", sa.Text, nullable=False),
        sa.Column(
            "state",
            sa.Text,
            nullable=False,
            comment="pending, firing, acknowledged, resolved; ok: lapsed before it fired",
        ),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("value", sa.Numeric, comment="what was read; null where a person acted"),
        sa.Column("complete_through", sa.DateTime(timezone=True)),
        sa.Column("caller", sa.Text, comment="who acknowledged or disabled; null for the evaluator"),
        comment="Episodes, append-only: the last transition of a rule is its present state.",
        schema=_SCHEMA,
        if_not_exists=True,
    )
    op.create_index(
        "alert_transition_episode", "alert_transition", ["episode", "sequence"], schema=_SCHEMA, if_not_exists=True
    )


def _deliveries() -> None:
    op.create_table(
        "webhook_delivery",
        sa.Column("id", sa.Text, primary_key=True, comment="webhook-id, the same on every attempt"),
        sa.Column("receiver", sa.Text, nullable=False, comment="derived from its URL, which may hold a secret"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), comment="of the next attempt; null: none will follow"),
        schema=_SCHEMA,
        if_not_exists=True,
    )
    op.create_index(
        "webhook_delivery_due",
        "webhook_delivery",
        ["due_at"],
        schema=_SCHEMA,
        postgresql_where=sa.text("due_at IS NOT NULL"),
        if_not_exists=True,
    )
    op.create_table(
        "webhook_attempt",
        sa.Column("delivery", sa.Text, primary_key=True),
        sa.Column("attempt", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outcome", sa.Text, nullable=False, comment="delivered, retry, gone or refused"),
        sa.Column("status", sa.Integer, comment="HTTP status; null when no answer came"),
        sa.Column("reason", sa.Text, nullable=False),
        schema=_SCHEMA,
        if_not_exists=True,
    )
    op.create_table(
        "webhook_gone",
        sa.Column("receiver", sa.Text, primary_key=True, comment="answered 410: nothing is sent to it any more"),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        schema=_SCHEMA,
        if_not_exists=True,
    )
