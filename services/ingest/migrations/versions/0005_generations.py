"""Generations of the stream: each cuts it into another number of partitions; several may be open at a time."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "generation",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("first", sa.Integer(), nullable=False, comment="slot of its partition 0"),
        sa.Column("partitions", sa.Integer(), nullable=False),
        sa.Column("filled", sa.BigInteger(), nullable=False, comment="events up to this one were numbered before"),
        sa.Column("opened_at", sa.DateTime(timezone=True), comment="since when every commit draws its numbers"),
        sa.Column("cut_at", sa.DateTime(timezone=True), comment="when all generations were last cut at one instant"),
        sa.Column("cut", JSONB(), comment="the numbers of its partitions at that instant"),
        sa.PrimaryKeyConstraint("number"),
        comment="What is still numbered and published; a slot is a partition, counted on through all generations.",
    )
    op.execute(
        "INSERT INTO generation (number, first, partitions, filled, opened_at) "
        "SELECT 1, 0, count(*), 0, now() FROM head HAVING count(*) > 0"
    )
