"""What a service made of an entity is stored with it, so that what was forgotten is read on and not read again."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column(
        "entity",
        sa.Column(
            "model", sa.LargeBinary, comment="what its service reads on from, and the number at which it was right"
        ),
    )
