"""The tables of this service, declared for the comparison with what its migrations make."""

from sqlalchemy import BigInteger, Boolean, Column, Date, DateTime, Index, Integer, MetaData, Numeric, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from services.forecast.domain.ledgers import POSTINGS
from shared.storage.tables import fold_tables, ledger_table, stream_tables

PERMANENT = "forecast_permanent"

metadata = MetaData()
stream_tables(metadata)
fold_tables(metadata)
ledger_table(metadata, POSTINGS)
Table(
    "standing",
    metadata,
    Column("partition", Integer, nullable=False),
    Column("deal", Text, nullable=False),
    Column("from_number", BigInteger, nullable=False),
    Column("until_number", BigInteger, comment="NULL: not replaced"),
    Column("pipeline", Text, nullable=False),
    Column("stage", Text, nullable=False),
    Column("outcome", Text, nullable=False, comment="open, won, lost or ended"),
    Column("entered_on", Date, nullable=False),
    Column("created_on", Date, nullable=False),
    Column("closed_on", Date),
    Column("known_on", Date, nullable=False),
    Column("value", Numeric, comment="in base currency; NULL: no amount, or no rate yet"),
    Column("estimated", Boolean, nullable=False),
    Column("business_line", Text),
    Column("related", Boolean, nullable=False),
    Column("visits", JSONB, nullable=False, comment="[pipeline, stage, entered, left] of each stage that it left"),
    Index("standing_deal", "deal"),
)
Table(
    "vintage",
    metadata,
    Column("id", Text, primary_key=True),
    Column("series", Text, nullable=False),
    Column("known_at", Date, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("made_at", DateTime(timezone=True), nullable=False),
    Column("history", Text, nullable=False, comment="digest of what it was made from"),
    Column("body", JSONB, nullable=False),
    Index("vintage_series", "series", text("made_at DESC")),
    schema=PERMANENT,
    comment="Every forecast as it was made; never changed.",
)
