"""Of each stage that a deal reached its postings say what became of it: `dropped` takes the place of `reached`.

`dropped` is `reached` − `advanced` − `undecided`, cell by cell and day by day of learning, so what is posted is posted
anew without asking the journals. Summaries are made again.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

from shared.kernel.ledger import Cells, negated, post
from shared.storage.encoding import pack_posted, unpack_posted

revision = "0007"
down_revision = "0006"

_CHUNK = 1_000
_PLACE = (
    "partition, number, entity, known_on, day, pipeline, stage, member, team, manager, region, product, category, "
    "customer, sector, channel, business_line, currency, related, days"
)
_MEASURES = ("deals", "value", "constant", "original", "estimated", "unvalued", "unconverted", "unconverted_constant")


def upgrade() -> None:
    op.execute("UPDATE deal_postings SET fact = 'dropped' WHERE fact = 'reached'")
    op.execute(
        f"""INSERT INTO deal_postings ({_PLACE}, fact, {", ".join(_MEASURES)})
            SELECT {_PLACE}, 'dropped', {", ".join(f"-{name}" for name in _MEASURES)}
            FROM deal_postings WHERE fact IN ('advanced', 'undecided')"""  # noqa: S608 - declared names
    )
    _remember()
    op.execute("TRUNCATE seal, deal_summary, trade_summary, cash_summary")


def _remember() -> None:
    """What the deals remember to have posted follows their ledger."""
    connection = op.get_bind()
    next_ones = sa.text("SELECT id, posted FROM entity WHERE kind = 'deal' AND id > :after ORDER BY id LIMIT :chunk")
    add = sa.text(
        "UPDATE entity SET posted = array_append(posted, CAST(:part AS bytea)) WHERE kind = 'deal' AND id = :id"
    )
    after = ""
    while deals := connection.execute(next_ones, {"after": after, "chunk": _CHUNK}).all():
        parts: list[dict[str, Any]] = []
        for deal, posted in deals:
            if change := _change(unpack_posted(posted)):
                parts.append({"id": deal, "part": pack_posted(change, None)})
        if parts:
            connection.execute(add, parts)
        after = deals[-1].id


def _change(posted: Cells) -> Cells:
    change: Cells = {}
    for cell, measures in posted.items():
        dropped = cell._replace(fact="dropped")
        if cell.fact == "reached":
            post(change, cell, negated(measures))
            post(change, dropped, measures)
        elif cell.fact in ("advanced", "undecided"):
            post(change, dropped, negated(measures))
    return change
