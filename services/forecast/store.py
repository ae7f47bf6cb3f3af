"""Writes the standings of deals and new vintages."""

from collections.abc import Sequence

from services.forecast.domain.standing import Standing
from services.forecast.domain.vintage import Vintage
from services.forecast.wire import Explained, result_message, vintage_body, visits_body
from shared.storage.database import Writer
from shared.storage.outbox import append_messages

_COLUMNS = (
    "partition",
    "deal",
    "from_number",
    "pipeline",
    "stage",
    "outcome",
    "entered_on",
    "created_on",
    "closed_on",
    "known_on",
    "value",
    "estimated",
    "business_line",
    "related",
    "visits",
)


async def save_standings(writer: Writer, partition: int, number: int, standings: Sequence[Standing]) -> None:
    """Replace the rows of these deals by those that hold from `number` on.

    In a turn of a refold the position stands before `number`: then the old rows stay for those who read up to it, and
    go when the deal is folded again.
    """
    if not standings:
        return
    deals = [one.deal for one in standings]
    reached: int = await writer.value("SELECT number FROM position WHERE partition = $1", partition)
    await writer.execute(
        "DELETE FROM standing WHERE deal = ANY($1::text[]) AND ($2::bigint >= $3 OR until_number <= $2)",
        deals,
        reached,
        number,
    )
    await writer.execute(
        "UPDATE standing SET until_number = $2 WHERE deal = ANY($1::text[]) AND until_number IS NULL", deals, number
    )
    await writer.copy("standing", _COLUMNS, [_row(partition, number, one) for one in standings])


def _row(partition: int, number: int, one: Standing) -> tuple[object, ...]:
    return (
        partition,
        one.deal,
        number,
        one.place.pipeline,
        one.place.stage,
        one.outcome,
        one.entered_on,
        one.created_on,
        one.closed_on,
        one.known_on,
        one.value,
        one.estimated,
        one.business_line,
        one.related,
        visits_body(one.visits),
    )


async def save_vintage(writer: Writer, vintage: Vintage, history: str, explained: Explained) -> None:
    """Keep a forecast for ever, and say it. Raises UniqueViolationError if this vintage is kept already."""
    body = vintage_body(vintage, explained)
    await writer.execute(
        """INSERT INTO vintage (id, series, known_at, revision, made_at, history, body)
           VALUES ($1, $2, $3, $4, $5, $6, $7)""",
        vintage.id,
        vintage.series,
        vintage.known_at,
        vintage.revision,
        vintage.made_at,
        history,
        body,
    )
    await append_messages(writer, [result_message(vintage, body)])
