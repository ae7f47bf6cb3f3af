"""The position in the stream, what is remembered of entities and references, the ledgers and their summaries."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None

_TEXT, _COUNT, _AMOUNT = sa.Text, sa.BigInteger, sa.Numeric

_PEOPLE = ("member", "team", "manager", "region")
_AMOUNTS = ("value", "constant", "original")
_RATES = ("unconverted", "unconverted_constant")


def upgrade() -> None:
    _stream()
    _folds()
    _deals()
    _trade()
    _cash()
    op.create_table(
        "seal",
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("ledger", sa.Text, primary_key=True),
        sa.Column("number", sa.BigInteger, nullable=False, comment="all postings of lower numbers are in the summary"),
        sa.Column(
            "entity", sa.Text, nullable=False, comment="of this number, those of entities up to this one are, too"
        ),
        comment="How far the summaries reach, partition by partition.",
    )


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


def _deals() -> None:
    measures = [
        *_required(_COUNT, "deals"),
        *_required(_AMOUNT, *_AMOUNTS),
        *_required(_COUNT, "estimated", "unvalued", *_RATES),
    ]
    _ledger(
        "deal_postings",
        *_optional(_TEXT, "pipeline", "stage", *_PEOPLE, "product", "category", "customer", "sector", "channel"),
        *_optional(_TEXT, "business_line", "currency"),
        sa.Column("related", sa.Boolean),
        sa.Column("days", sa.Integer),
        *measures,
    )
    op.create_index("deal_postings_cycle", "deal_postings", ["day"], postgresql_where=sa.text("days IS NOT NULL"))
    _summary("deal_summary", ("pipeline", "stage", "currency"), measures)


def _trade() -> None:
    measures = [
        *_required(_COUNT, "documents"),
        *_required(_AMOUNT, "quantity", *_AMOUNTS, "cost"),
        *_required(_COUNT, "unvalued", *_RATES, "uncosted"),
    ]
    _ledger(
        "trade_postings",
        *_optional(_TEXT, "document", *_PEOPLE, "product", "category", "customer", "sector", "channel"),
        *_optional(_TEXT, "business_line", "currency", "unit"),
        sa.Column("related", sa.Boolean),
        *measures,
    )
    _summary("trade_summary", ("document", "unit", "currency"), measures)


def _cash() -> None:
    measures = [*_required(_COUNT, "payments"), *_required(_AMOUNT, *_AMOUNTS), *_required(_COUNT, *_RATES)]
    _ledger(
        "cash_postings",
        *_optional(_TEXT, "instrument", *_PEOPLE, "customer", "sector", "channel", "business_line", "currency"),
        *_optional(_TEXT, "document"),
        sa.Column("related", sa.Boolean),
        *measures,
    )
    _summary("cash_summary", ("instrument", "currency"), measures)


def _ledger(name: str, *columns: sa.Column) -> None:
    """Appended, never changed; found by block ranges, because rows come in the order of `number` and nearly of days."""
    op.create_table(
        name,
        sa.Column("partition", sa.Integer, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("entity", sa.Text, nullable=False),
        sa.Column("known_on", sa.Date, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("fact", sa.Text, nullable=False),
        *(_copy(column) for column in columns),
    )
    op.create_index(f"{name}_entity", name, ["entity"])
    for column in ("number", "day", "known_on"):
        op.create_index(
            f"{name}_{column}", name, [column], postgresql_using="brin", postgresql_with={"pages_per_range": 16}
        )


def _summary(name: str, kept: tuple[str, ...], measures: list[sa.Column]) -> None:
    """A cache of sums by one dimension, day or month, and fact."""
    op.create_table(
        name,
        sa.Column("dimension", sa.Text, nullable=False),
        sa.Column("dimension_id", sa.Text),
        sa.Column("grain", sa.Text, nullable=False, comment="day or month"),
        sa.Column("start", sa.Date, nullable=False, comment="the day, or the first of the month"),
        sa.Column("fact", sa.Text, nullable=False),
        *_optional(_TEXT, *kept),
        sa.Column("related", sa.Boolean),
        *(_copy(column) for column in measures),
        comment="A cache: may be dropped and made again at any time.",
    )
    op.create_index(
        f"{name}_key",
        name,
        ["dimension", "grain", "fact", "start", "dimension_id", *kept, "related"],
        unique=True,
        postgresql_nulls_not_distinct=True,
    )


def _optional(kind: type[sa.types.TypeEngine], *names: str) -> list[sa.Column]:
    return [sa.Column(name, kind) for name in names]


def _required(kind: type[sa.types.TypeEngine], *names: str) -> list[sa.Column]:
    return [sa.Column(name, kind, nullable=False) for name in names]


def _copy(column: sa.Column) -> sa.Column:
    return sa.Column(column.name, column.type, nullable=column.nullable)
