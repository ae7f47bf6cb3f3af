"""The tables of this service, declared for the comparison with what its migrations make."""

from sqlalchemy import BigInteger, Boolean, Column, Date, DateTime, Index, Integer, MetaData, Numeric, Table, Text, text

from shared.storage.tables import fold_tables, stream_tables


def tables() -> MetaData:
    """Everything in the schema `pipeline`."""
    metadata = MetaData()
    stream_tables(metadata)
    fold_tables(metadata)
    deal_state(metadata)
    return metadata


def deal_state(metadata: MetaData) -> Table:
    """What was true of a deal over an interval of time, as known over an interval of days.

    A row counts for readers whose position lies from `from_number` up to, not including, `until_number`: so a refold
    of many transactions shows either all of its rows or none.
    """
    return Table(
        "deal_state",
        metadata,
        Column("partition", Integer, nullable=False),
        Column("deal", Text, nullable=False),
        Column("from_number", BigInteger, nullable=False),
        Column("until_number", BigInteger, comment="NULL: not replaced"),
        Column("known_from", Date, nullable=False),
        Column("known_until", Date, comment="exclusive; NULL: still known"),
        Column("valid_from", DateTime(timezone=True), nullable=False),
        Column("valid_until", DateTime(timezone=True), comment="exclusive; NULL: for ever"),
        Column("pipeline", Text, nullable=False),
        Column("stage", Text, nullable=False),
        Column("outcome", Text, nullable=False, comment="open, won, lost or ended"),
        Column("amount", Numeric, comment="as said, else estimated from the price list"),
        Column("currency", Text),
        Column("base_value", Numeric, comment="NULL: no amount, or no rate yet"),
        Column("estimated", Boolean, nullable=False),
        Column("owner_id", Text),
        Column("team", Text),
        Column("manager", Text),
        Column("region", Text),
        Column("customer_id", Text, comment="the id that survives merges"),
        Column("product_id", Text),
        Column("category", Text),
        Column("channel_id", Text),
        Column("business_line", Text),
        Column("expected_close_on", Date),
        Column("title", Text),
        Column("created_on", Date, nullable=False),
        Column("entered_stage_at", DateTime(timezone=True), nullable=False, comment="when this run of the stage began"),
        Column("entered_sequence", BigInteger, nullable=False),
        Column("entered_source", Text, nullable=False),
        Column("entered_event_id", Text, nullable=False),
        Column("entered_known_on", Date, nullable=False),
        Index("deal_state_deal", "deal"),
        Index("deal_state_valid_until", "valid_until", postgresql_where=text("known_until IS NULL")),
    )
