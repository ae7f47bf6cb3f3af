"""The inbox, the stream, the quarantine and imports."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "event",
        sa.Column("seq", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("entity", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=True),
        sa.Column("traceparent", sa.Text(), nullable=True),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("known_on", sa.Date(), nullable=False),
        sa.Column("recorded_on", sa.Date(), nullable=False),
        sa.Column("reconstructed", sa.Boolean(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False, comment="digest of what was said"),
        sa.Column("public", sa.LargeBinary(), nullable=False),
        sa.Column("personal", sa.LargeBinary(), nullable=True, comment="never leaves this schema"),
        sa.Column("raw_id", sa.Text(), nullable=True),
        sa.Column("raw_part", sa.Text(), nullable=True, comment="place in a batch, or file and row"),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("source", "event_id", "revision", name="event_identity"),
        comment="Every event ever accepted.",
    )
    op.create_index("event_subject", "event", ["entity", "subject"], unique=False)
    op.create_table(
        "head",
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("last_valid", sa.BigInteger(), nullable=False, comment="number with which the epoch before ended"),
        sa.Column("known_on", sa.Date(), nullable=False, comment="never goes back"),
        sa.PrimaryKeyConstraint("partition"),
    )
    op.create_table(
        "import",
        sa.Column("id", sa.Text(), nullable=False, comment="derived from the bytes of the files and the mapping"),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("mapping", sa.Text(), nullable=False),
        sa.Column("report", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "quarantine",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column(
            "waits_for", sa.Text(), nullable=False, comment="entity/id whose arrival retries it; empty if a person must"
        ),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("candidate", sa.LargeBinary(), nullable=True, comment="null: the raw bytes have to be read again"),
        sa.Column("raw_kind", sa.Text(), nullable=True),
        sa.Column("raw_headers", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("raw_body", sa.LargeBinary(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("source", "event_id", name="quarantine_identity"),
    )
    op.create_index("quarantine_waits_for", "quarantine", ["waits_for"], unique=False)
    op.create_table(
        "raw",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False, comment="events, webhook or import"),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column(
            "headers",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="never credentials or signatures",
        ),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        comment="What came in, byte for byte, so that a mended adapter can read it anew.",
    )
    op.create_table(
        "source",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("first_accepted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_accepted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("accepted", sa.BigInteger(), nullable=False),
        sa.Column("duplicate", sa.BigInteger(), nullable=False),
        sa.Column("rejected", sa.BigInteger(), nullable=False),
        sa.Column(
            "live_since", sa.DateTime(timezone=True), nullable=True, comment="first event that was not imported history"
        ),
        sa.PrimaryKeyConstraint("source"),
    )
    op.create_table(
        "stream",
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("partition", "number"),
        comment="Dense numbers in commit order: what the relay publishes.",
    )
    op.create_index("stream_seq", "stream", ["seq"], unique=False)
