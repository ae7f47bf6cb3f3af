"""The tables that every folding service has, declared once; a service adds its ledgers and its own tables to them.

Migrations are compared with these declarations by a test, so the two cannot drift apart.
"""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import JSONB

from shared.kernel.ledger import Ledger


def stream_tables(metadata: MetaData) -> None:
    """Where a service stands in the stream, and what it still has to tell."""
    Table(
        "position",
        metadata,
        Column("partition", Integer, primary_key=True, autoincrement=False),
        Column("generation", Integer, nullable=False),
        Column("epoch", Integer, nullable=False),
        Column("number", BigInteger, nullable=False, comment="last event applied; readers see postings up to it"),
        Column("turn", Integer, nullable=False, comment="transactions done of a refold that is under way"),
        Column("refold", JSONB, comment="until, keys and the last entity done of that refold"),
        Column("applied", BigInteger, nullable=False),
        Column("duplicates", BigInteger, nullable=False),
        Column("dead_letters", BigInteger, nullable=False),
        Column("first_known", Date, comment="the first day on which anything was known"),
        Column("reconstructed_until", Date, comment="answers as known before this day are reconstructed"),
        Column("applied_at", DateTime(timezone=True)),
    )
    Table(
        "progress",
        metadata,
        Column("generation", Integer, primary_key=True, autoincrement=False),
        Column("through", DateTime(timezone=True), primary_key=True),
        Column("heads", JSONB, nullable=False, comment="partition → last number accepted until `through`"),
    )
    Table(
        "outbox",
        metadata,
        Column("id", BigInteger, Identity(), primary_key=True),
        Column("topic", Text, nullable=False),
        Column("key", Text, nullable=False),
        Column("headers", JSONB, nullable=False),
        Column("value", LargeBinary, nullable=False),
    )


def fold_tables(metadata: MetaData) -> None:
    """What a partition's worker remembers of each entity and each reference."""
    Table(
        "entity",
        metadata,
        Column("kind", Text, primary_key=True),
        Column("id", Text, primary_key=True),
        Column("partition", Integer, nullable=False),
        Column("number", BigInteger, nullable=False, comment="of the last event that changed it"),
        Column("journal", ARRAY(LargeBinary), nullable=False, comment="all that was said about it, in parts"),
        Column(
            "posted",
            ARRAY(LargeBinary),
            nullable=False,
            comment="what it has posted so far, in parts: remembered, never recomputed",
        ),
        Column("model", LargeBinary, comment="what its service reads on from, and the number at which it was right"),
    )
    Table(
        "reference",
        metadata,
        Column("partition", Integer, primary_key=True, autoincrement=False),
        Column("kind", Text, primary_key=True),
        Column("id", Text, primary_key=True),
        Column("journal", LargeBinary, nullable=False),
    )
    Table(
        "reference_use",
        metadata,
        Column("partition", Integer, primary_key=True, autoincrement=False),
        Column("reference_kind", Text, primary_key=True),
        Column("reference_id", Text, primary_key=True),
        Column("kind", Text, primary_key=True),
        Column("id", Text, primary_key=True),
    )


def ledger_table(metadata: MetaData, ledger: Ledger) -> Table:
    """A ledger: typed columns for dimensions and measures, appended and never changed.

    Block-range indexes are enough because rows arrive in the order of `number` and nearly in that of the days; a btree
    on (fact, day) would only lure the planner into joining it with them.
    """
    return Table(
        ledger.name,
        metadata,
        Column("partition", Integer, nullable=False),
        Column("number", BigInteger, nullable=False),
        Column("entity", Text, nullable=False),
        Column("known_on", Date, nullable=False),
        Column("day", Date, nullable=False),
        Column("fact", Text, nullable=False),
        *(Column(name, _TYPES[kind]) for name, kind in ledger.dimension_types.items()),
        *(
            Column(name, BigInteger if kind is int else Numeric, nullable=False)
            for name, kind in ledger.measure_types.items()
        ),
        Index(f"{ledger.name}_entity", "entity"),
        *(
            Index(f"{ledger.name}_{name}", name, postgresql_using="brin", postgresql_with={"pages_per_range": 16})
            for name in ("number", "day", "known_on")
        ),
    )


_TYPES = {str: Text, int: Integer, bool: Boolean}
