"""Writes the states of deals: what changed of them, all deals of a transaction in a few statements."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from services.pipeline.domain.facts import Facts
from services.pipeline.domain.history import Difference, History, Rectangle
from shared.storage.database import Writer

_TABLE = "deal_state"
_HEAD = ("partition", "deal", "from_number", "known_from", "known_until", "valid_from", "valid_until")
_COLUMNS = (*_HEAD, *Facts._fields)

_Ending = tuple[Rectangle, date | None]
"""A rectangle whose row is to go, or if a day is said, no longer known from that day on."""


@dataclass(slots=True)
class Written:
    """What one transaction does to one deal. Never changed; not frozen, for that makes it slow to make."""

    deal: str
    before: History | None
    """What its rows say; None if that is not known."""
    after: History
    is_new: bool
    """It has no rows."""


async def save_histories(writer: Writer, partition: int, number: int, written: Sequence[Written]) -> None:
    """Make the rows of these deals those that hold from `number` on.

    Where it is known what they say, only what changed is written; all rows of other deals are replaced.
    """
    grown = [(one.deal, *_written(one.after.since(one.before))) for one in written if one.before is not None]
    other = [one for one in written if one.before is None]
    await _end(writer, [(deal, ending) for deal, endings, _ in grown for ending in endings])
    await _replace(writer, partition, number, [one.deal for one in other if not one.is_new])
    come = [*((deal, come) for deal, _, come in grown), *((one.deal, one.after.rectangles) for one in other)]
    await writer.copy(_TABLE, _COLUMNS, _rows(partition, number, come))


def _written(difference: Difference) -> tuple[list[_Ending], list[Rectangle]]:
    """Which rows end and which come. What is only no longer known keeps its row."""
    until = {(one.known_from, one.slice): one for one in difference.come if one.known_until is not None}
    endings: list[_Ending] = []
    for one in difference.gone:
        closed = until.pop((one.known_from, one.slice), None)
        endings.append((one, closed and closed.known_until))
    return endings, [*(one for one in difference.come if one.known_until is None), *until.values()]


async def _replace(writer: Writer, partition: int, number: int, deals: list[str]) -> None:
    """Take all rows of these deals from those who read from `number` on.

    When the position of this transaction already stands there, nobody will read the old rows again and they go. In a
    turn of a refold it stands before: then the old rows stay for those who read up to it, and go at the next fold.
    """
    if not deals:
        return
    reached: int = await writer.value("SELECT number FROM position WHERE partition = $1", partition)
    if reached < number:
        await writer.execute(
            "UPDATE deal_state SET until_number = $2 WHERE deal = ANY($1::text[]) AND until_number IS NULL",
            deals,
            number,
        )
        await writer.execute(
            "DELETE FROM deal_state WHERE deal = ANY($1::text[]) AND until_number <= $2", deals, reached
        )
    else:
        await writer.execute("DELETE FROM deal_state WHERE deal = ANY($1::text[])", deals)


async def _end(writer: Writer, endings: Sequence[tuple[str, _Ending]]) -> None:
    """Close or delete these rows, and delete those of the same deals that only stood for readers during a refold."""
    if not endings:
        return
    deals = [None, *(deal for deal, _ in endings)]
    await writer.execute(
        """MERGE INTO deal_state s
           USING jsonb_to_recordset($1)
             AS ending (deal text, is_first bool, known_from date, known_until date, valid_from timestamptz,
                        valid_until timestamptz, source text, event text)
           ON s.deal = ending.deal AND CASE WHEN s.until_number IS NULL
             THEN s.valid_from = ending.valid_from AND s.valid_until IS NOT DISTINCT FROM ending.valid_until
              AND s.known_from = ending.known_from
              AND s.entered_source = ending.source AND s.entered_event_id = ending.event
             ELSE ending.is_first END
           WHEN MATCHED AND s.until_number IS NULL AND ending.known_until IS NOT NULL
             THEN UPDATE SET known_until = ending.known_until
           WHEN MATCHED THEN DELETE""",
        [
            {
                "deal": deal,
                "is_first": deal != before,
                "known_from": one.known_from,
                "known_until": until,
                "valid_from": one.slice.start,
                "valid_until": one.slice.end,
                "source": one.slice.facts.entered_source,
                "event": one.slice.facts.entered_event_id,
            }
            for before, (deal, (one, until)) in zip(deals, endings, strict=False)
        ],
    )


def _rows(partition: int, number: int, come: Iterable[tuple[str, Iterable[Rectangle]]]) -> Iterator[tuple[object, ...]]:
    for deal, rectangles in come:
        for known_from, known_until, (start, end, facts) in rectangles:
            yield (partition, deal, number, known_from, known_until, start, end, *facts)
