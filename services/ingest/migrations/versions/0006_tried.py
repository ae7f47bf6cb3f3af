"""The quarantine remembers when something was last tried, so that what an interrupted request left is tried again."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("quarantine", sa.Column("tried_at", sa.DateTime(timezone=True), comment="null: never since"))
