"""Currencies are told apart by cuts of their own, no longer by every sum: summaries are dropped and made again."""

from alembic import op

revision = "0005"
down_revision = "0004"

_KEPT = {
    "deal_summary": ("pipeline", "stage"),
    "trade_summary": ("document", "unit"),
    "cash_summary": ("instrument",),
}
_KEY = ("cut", "grain", "fact", "start", "dimension_id", "other_id", "known")


def upgrade() -> None:
    op.execute("DELETE FROM seal")
    for name, kept in _KEPT.items():
        op.execute(f"TRUNCATE {name}")
        op.drop_index(f"{name}_key", name)
        op.drop_column(name, "currency")
        op.create_index(f"{name}_key", name, [*_KEY, *kept, "related"], unique=True, postgresql_nulls_not_distinct=True)
