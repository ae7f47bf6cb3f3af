"""The position in the stream, what is remembered of deals and references, and the states of deals."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None


def upgrade() -> None:
    _stream()
    _folds()
    _deal_state()


def _stream() -> None:
    op.create_table(
        "position",
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False, comment="last event applied; readers see postings up to it"),
        sa.Column("turn", sa.Integer, nullable=False, comment="transactions done of a refold that is under way"),
        sa.Column("refold", JSONB, comment="until, keys and the last entity done of that refold"),
        sa.Column("applied", sa.BigInteger, nullable=False),
        sa.Column("duplicates", sa.BigInteger, nullable=False),
        sa.Column("dead_letters", sa.BigInteger, nullable=False),
        sa.Column("first_known", sa.Date, comment="the first day on which anything was known"),
        sa.Column("reconstructed_until", sa.Date, comment="answers as known before this day are reconstructed"),
        sa.Column("applied_at", sa.DateTime(timezone=True)),
    )
    op.create_table(
        "progress",
        sa.Column("generation", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("through", sa.DateTime(timezone=True), primary_key=True),
        sa.Column("heads", JSONB, nullable=False, comment="partition → last number accepted until `through`"),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("headers", JSONB, nullable=False),
        sa.Column("value", sa.LargeBinary, nullable=False),
    )


def _folds() -> None:
    op.create_table(
        "entity",
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("partition", sa.Integer, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False, comment="of the last event that changed it"),
        sa.Column("journal", sa.LargeBinary, nullable=False),
        sa.Column(
            "posted", sa.LargeBinary, nullable=False, comment="what it has posted so far: remembered, never recomputed"
        ),
    )
    op.create_table(
        "reference",
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("journal", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "reference_use",
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("reference_kind", sa.Text, primary_key=True),
        sa.Column("reference_id", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("id", sa.Text, primary_key=True),
    )


def _deal_state() -> None:
    op.create_table(
        "deal_state",
        sa.Column("partition", sa.Integer, nullable=False),
        sa.Column("deal", sa.Text, nullable=False),
        sa.Column("from_number", sa.BigInteger, nullable=False),
        sa.Column("until_number", sa.BigInteger, comment="NULL: not replaced"),
        sa.Column("known_from", sa.Date, nullable=False),
        sa.Column("known_until", sa.Date, comment="exclusive; NULL: still known"),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_until", sa.DateTime(timezone=True), comment="exclusive; NULL: for ever"),
        sa.Column("pipeline", sa.Text, nullable=False),
        sa.Column("stage", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False, comment="open, won, lost or ended"),
        sa.Column("amount", sa.Numeric, comment="as said, else estimated from the price list"),
        sa.Column("currency", sa.Text),
        sa.Column("base_value", sa.Numeric, comment="NULL: no amount, or no rate yet"),
        sa.Column("estimated", sa.Boolean, nullable=False),
        sa.Column("owner_id", sa.Text),
        sa.Column("team", sa.Text),
        sa.Column("manager", sa.Text),
        sa.Column("region", sa.Text),
        sa.Column("customer_id", sa.Text, comment="the id that survives merges"),
        sa.Column("product_id", sa.Text),
        sa.Column("category", sa.Text),
        sa.Column("channel_id", sa.Text),
        sa.Column("business_line", sa.Text),
        sa.Column("expected_close_on", sa.Date),
        sa.Column("title", sa.Text),
        sa.Column("created_on", sa.Date, nullable=False),
        sa.Column(
            "entered_stage_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="when this run of the stage began",
        ),
        sa.Column("entered_sequence", sa.BigInteger, nullable=False),
        sa.Column("entered_source", sa.Text, nullable=False),
        sa.Column("entered_event_id", sa.Text, nullable=False),
        sa.Column("entered_known_on", sa.Date, nullable=False),
    )
    op.create_index("deal_state_deal", "deal_state", ["deal"])
    op.create_index(
        "deal_state_valid_until", "deal_state", ["valid_until"], postgresql_where=sa.text("known_until IS NULL")
    )
