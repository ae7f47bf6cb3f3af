"""Series, the standing of deals, and vintages."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "entity",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False, comment="of the last event that changed it"),
        sa.Column("journal", sa.LargeBinary(), nullable=False),
        sa.Column(
            "posted",
            sa.LargeBinary(),
            nullable=False,
            comment="what it has posted so far: remembered, never recomputed",
        ),
        sa.PrimaryKeyConstraint("kind", "id"),
    )
    op.create_table(
        "vintage",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("series", sa.Text(), nullable=False),
        sa.Column("known_at", sa.Date(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("history", sa.Text(), nullable=False, comment="digest of what it was made from"),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        schema="forecast_permanent",
        if_not_exists=True,  # a rebuild beside the running build finds it
        comment="Every forecast as it was made; never changed.",
    )
    op.create_index(
        "vintage_series",
        "vintage",
        ["series", sa.literal_column("made_at DESC")],
        unique=False,
        schema="forecast_permanent",
        if_not_exists=True,
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("headers", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "position",
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column(
            "number", sa.BigInteger(), nullable=False, comment="last event applied; readers see postings up to it"
        ),
        sa.Column("turn", sa.Integer(), nullable=False, comment="transactions done of a refold that is under way"),
        sa.Column(
            "refold",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment="until, keys and the last entity done of that refold",
        ),
        sa.Column("applied", sa.BigInteger(), nullable=False),
        sa.Column("duplicates", sa.BigInteger(), nullable=False),
        sa.Column("dead_letters", sa.BigInteger(), nullable=False),
        sa.Column("first_known", sa.Date(), nullable=True, comment="the first day on which anything was known"),
        sa.Column(
            "reconstructed_until",
            sa.Date(),
            nullable=True,
            comment="answers as known before this day are reconstructed",
        ),
        sa.Column("applied_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("partition"),
    )
    op.create_table(
        "progress",
        sa.Column("generation", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("through", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "heads",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="partition → last number accepted until `through`",
        ),
        sa.PrimaryKeyConstraint("generation", "through"),
    )
    op.create_table(
        "reference",
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("journal", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("partition", "kind", "id"),
    )
    op.create_table(
        "reference_use",
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("reference_kind", sa.Text(), nullable=False),
        sa.Column("reference_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("partition", "reference_kind", "reference_id", "kind", "id"),
    )
    op.create_table(
        "series_postings",
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("entity", sa.Text(), nullable=False),
        sa.Column("known_on", sa.Date(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("fact", sa.Text(), nullable=False),
        sa.Column("business_line", sa.Text(), nullable=True),
        sa.Column("related", sa.Boolean(), nullable=True),
        sa.Column("value", sa.Numeric(), nullable=False),
        sa.Column("unconverted", sa.BigInteger(), nullable=False),
    )
    op.create_index(
        "series_postings_day",
        "series_postings",
        ["day"],
        unique=False,
        postgresql_using="brin",
        postgresql_with={"pages_per_range": 16},
    )
    op.create_index("series_postings_entity", "series_postings", ["entity"], unique=False)
    op.create_index(
        "series_postings_known_on",
        "series_postings",
        ["known_on"],
        unique=False,
        postgresql_using="brin",
        postgresql_with={"pages_per_range": 16},
    )
    op.create_index(
        "series_postings_number",
        "series_postings",
        ["number"],
        unique=False,
        postgresql_using="brin",
        postgresql_with={"pages_per_range": 16},
    )
    op.create_table(
        "standing",
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("deal", sa.Text(), nullable=False),
        sa.Column("from_number", sa.BigInteger(), nullable=False),
        sa.Column("until_number", sa.BigInteger(), nullable=True, comment="NULL: not replaced"),
        sa.Column("pipeline", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False, comment="open, won, lost or ended"),
        sa.Column("entered_on", sa.Date(), nullable=False),
        sa.Column("created_on", sa.Date(), nullable=False),
        sa.Column("closed_on", sa.Date(), nullable=True),
        sa.Column("known_on", sa.Date(), nullable=False),
        sa.Column("value", sa.Numeric(), nullable=True, comment="in base currency; NULL: no amount, or no rate yet"),
        sa.Column("estimated", sa.Boolean(), nullable=False),
        sa.Column("business_line", sa.Text(), nullable=True),
        sa.Column("related", sa.Boolean(), nullable=False),
        sa.Column(
            "visits",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="[pipeline, stage, entered, left] of each stage that it left",
        ),
    )
    op.create_index("standing_deal", "standing", ["deal"], unique=False)
