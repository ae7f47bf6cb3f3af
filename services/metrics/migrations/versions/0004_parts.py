"""What is remembered of an entity only grows, so it is kept in parts: what was one value is the first part."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_COMMENTS = {
    "journal": "all that was said about it, in parts",
    "posted": "what it has posted so far, in parts: remembered, never recomputed",
}


def upgrade() -> None:
    for name, comment in _COMMENTS.items():
        op.alter_column(
            "entity",
            name,
            type_=sa.ARRAY(sa.LargeBinary),
            postgresql_using=f"ARRAY[{name}]",
            comment=comment,
        )
