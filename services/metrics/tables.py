"""The tables of schema `metrics`: what can be rebuilt from the stream. `tables_permanent.py` holds what cannot."""

from sqlalchemy import BigInteger, Boolean, Column, Date, Index, Integer, MetaData, Numeric, Table, Text, text

from services.metrics.domain.ledgers import DEALS, LEDGERS
from services.metrics.domain.slices import SLICES, SUMMARY_KEY, Slices
from shared.storage.tables import fold_tables, ledger_table, stream_tables

metadata = MetaData()

stream_tables(metadata)
fold_tables(metadata)

_ledgers = {ledger.name: ledger_table(metadata, ledger) for ledger in LEDGERS.values()}

Index(
    "deal_postings_cycle",
    _ledgers[DEALS.name].c.day,
    postgresql_where=text("days IS NOT NULL"),
)
"""Cycles by member or product are in no summary: the few postings that carry `days` are read one by one."""


def _summary_table(slices: Slices) -> Table:
    """Sums of a ledger by fact, day or month, and the members (`dimension_id`, `other_id`) of a cut's dimensions."""
    ledger = slices.ledger
    kept = [Column(name, Boolean if ledger.dimension_types[name] is bool else Text) for name in slices.kept]
    measures = ledger.measure_types.items()
    return Table(
        slices.table,
        metadata,
        Column("cut", Text, nullable=False, comment="names of dimensions, joined by +"),
        Column("dimension_id", Text),
        Column("other_id", Text),
        Column("grain", Text, nullable=False, comment="day; month; known: by month what was learned in another one"),
        Column("start", Date, nullable=False, comment="the day, or the first of the month"),
        Column("known", Date, comment="first of the month; null: whenever it became known"),
        Column("fact", Text, nullable=False),
        *kept,
        *(Column(name, BigInteger if kind is int else Numeric, nullable=False) for name, kind in measures),
        Index(
            f"{slices.table}_key",
            *SUMMARY_KEY,
            *slices.kept,
            unique=True,
            postgresql_nulls_not_distinct=True,
        ),
        comment="A cache: may be dropped and made again at any time.",
    )


for _slices in SLICES.values():
    _summary_table(_slices)

Table(
    "seal",
    metadata,
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("ledger", Text, primary_key=True),
    Column("number", BigInteger, nullable=False, comment="all postings of lower numbers are in the summary"),
    Column("entity", Text, nullable=False, comment="of this number, those of entities up to this one are, too"),
    comment="How far the summaries reach, partition by partition.",
)
