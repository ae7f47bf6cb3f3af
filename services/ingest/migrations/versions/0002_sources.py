"""Sources: the queue of objects to read, coverage, polls, subscriptions, feeds; bytes in quarantine move to `raw`."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column(
        "raw",
        sa.Column("source", sa.Text(), nullable=True, comment="name of the configured source that sent it or was read"),
    )
    op.alter_column("raw", "kind", existing_type=sa.Text(), comment="events, webhook, read or import")
    op.create_index(
        "raw_source", "raw", ["source", "received_at", "id"], postgresql_where=sa.text("source IS NOT NULL")
    )
    op.create_index("event_accepted", "event", ["accepted_at"], postgresql_using="brin")
    op.add_column("quarantine", sa.Column("raw_id", sa.Text(), nullable=True))
    op.execute(
        """INSERT INTO raw (id, received_at, kind, content_type, headers, body)
           SELECT 'held-' || id, received_at, raw_kind, coalesce(raw_headers ->> 'content-type', ''),
                  coalesce(raw_headers, '{}'), raw_body
           FROM quarantine WHERE raw_body IS NOT NULL"""
    )
    op.execute("UPDATE quarantine SET raw_id = 'held-' || id WHERE raw_body IS NOT NULL")
    for column in ("raw_kind", "raw_headers", "raw_body"):
        op.drop_column("quarantine", column)
    op.create_table(
        "coverage",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column(
            "day", sa.Date(), nullable=False, comment="business day of the delivery, or of the change that was polled"
        ),
        sa.Column("delivered", sa.BigInteger(), nullable=False, comment="genuine deliveries, repeated ones included"),
        sa.Column("last_delivery_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("polled", sa.BigInteger(), nullable=False, comment="changed objects that polling found"),
        sa.Column("reconciled", sa.BigInteger(), nullable=False, comment="of them, how many no delivery had told of"),
        sa.PrimaryKeyConstraint("source", "day"),
        comment="What webhooks brought, and what they missed.",
    )
    op.create_table(
        "feed",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("position", sa.Text(), nullable=False),
        sa.Column("moved_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("source"),
        comment="How far a stream that we pull has been taken in.",
    )
    op.create_table(
        "poll",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column(
            "connected_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="changes before it were not ours to hear",
        ),
        sa.Column(
            "through",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="everything that changed before has been polled",
        ),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True, comment="end of the window that is being polled"),
        sa.Column("page", sa.Text(), nullable=True, comment="where in that window"),
        sa.Column("polled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False, comment="why it fails, if it does"),
        sa.PrimaryKeyConstraint("source", "kind"),
    )
    op.create_table(
        "refusal",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("source", "day", "reason"),
        comment="Deliveries that were not genuine.",
    )
    op.create_table(
        "subscription",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("source"),
    )
    op.create_table(
        "to_read",
        sa.Column("source", sa.Text(), nullable=False, comment="name of the configured source"),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("object_id", sa.Text(), nullable=False, comment="in the source"),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False, comment="since when it waits"),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "asked",
            sa.BigInteger(),
            nullable=False,
            comment="how often; what is asked for again meanwhile is read again",
        ),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False, comment="why the last attempt failed"),
        sa.PrimaryKeyConstraint("source", "kind", "object_id"),
        comment="Objects of which a delivery said too little: they are read from the source's API.",
    )
    op.create_index("to_read_due", "to_read", ["source", "due_at"], unique=False)
