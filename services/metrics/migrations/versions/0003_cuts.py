"""Summaries by two dimensions and by what was known: they are dropped, and made again from the ledgers."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_KEPT = {
    "deal_summary": ("pipeline", "stage", "currency"),
    "trade_summary": ("document", "unit", "currency"),
    "cash_summary": ("instrument", "currency"),
}


def upgrade() -> None:
    op.execute("DELETE FROM seal")
    for name, kept in _KEPT.items():
        op.execute(f"TRUNCATE {name}")
        op.drop_index(f"{name}_key", name)
        op.alter_column(name, "dimension", new_column_name="cut", comment="names of dimensions, joined by +")
        op.alter_column(
            name,
            "grain",
            comment="day; month; known: by month what was learned in another one",
            existing_comment="day or month",
        )
        op.add_column(name, sa.Column("other_id", sa.Text))
        op.add_column(name, sa.Column("known", sa.Date, comment="first of the month; null: whenever it became known"))
        op.create_index(
            f"{name}_key",
            name,
            ["cut", "grain", "fact", "start", "dimension_id", "other_id", "known", *kept, "related"],
            unique=True,
            postgresql_nulls_not_distinct=True,
        )
