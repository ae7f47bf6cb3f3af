"""`take_in` says in which epoch its numbers count, so that nobody takes those of before a restore for the same."""

from importlib import import_module

from alembic import op

revision = "0007"
down_revision = "0006"

_BEFORE: str = import_module("services.ingest.migrations.versions.0004_take_in").TAKE_IN
_NUMBERS = "OUT places int[], OUT in_partition int[], OUT numbers bigint[]\n"
_BEGIN = "\n  today := greatest(today,"


def upgrade() -> None:
    op.execute("DROP FUNCTION take_in")
    op.execute(
        _BEFORE.replace(_NUMBERS, _NUMBERS[:-1] + ",\n  -- Of each slot.\n  OUT epochs int[]\n").replace(
            _BEGIN, "\n  epochs := eras;" + _BEGIN
        )
    )
