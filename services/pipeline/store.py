"""Writes the states of deals: what changed of them, all deals of a transaction in a few statements."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from services.pipeline.domain.history import History, Rectangle
from services.pipeline.domain.slices import Facts
from shared.storage.database import Writer

_TABLE = "deal_state"
_HEAD = ("partition", "deal", "from_number", "known_from", "known_until", "valid_from", "valid_until")
_COLUMNS = (*_HEAD, *Facts._fields)


@dataclass(frozen=True, slots=True)
class Written:
    """What one transaction does to one deal."""

    deal: str
    before: History | None
    """What its rows say; None if that has to be looked up."""
    after: History
    is_new: bool
    """It has no rows."""


async def save_histories(writer: Writer, partition: int, number: int, written: Sequence[Written]) -> None:
    """Make the rows of these deals those that hold from `number` on.

    Where it is known what they say, only what changed is written; all rows of other deals are replaced.
    """
    known = [(one.deal, one.after.since(one.before)) for one in written if one.before is not None]
    unknown = [one for one in written if one.before is None]
    await _remove(writer, [(deal, gone) for deal, difference in known for gone in difference.gone])
    await _replace(writer, partition, number, [one.deal for one in unknown if not one.is_new])
    come = [
        *((deal, difference.come) for deal, difference in known),
        *((one.deal, one.after.rectangles) for one in unknown),
    ]
    await writer.copy(_TABLE, _COLUMNS, _rows(partition, number, come))


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


async def _remove(writer: Writer, gone: Sequence[tuple[str, Rectangle]]) -> None:
    """Delete these rows, and those of the same deals that only stood for readers during a refold."""
    if not gone:
        return
    await writer.execute(
        """DELETE FROM deal_state s
           USING unnest($1::text[], $2::date[], $3::timestamptz[], $4::timestamptz[], $5::text[], $6::text[])
             AS gone (deal, known_from, valid_from, valid_until, source, event)
           WHERE s.deal = gone.deal AND (s.until_number IS NOT NULL OR
             (s.known_from = gone.known_from AND s.valid_from = gone.valid_from
              AND s.valid_until IS NOT DISTINCT FROM gone.valid_until
              AND s.entered_source = gone.source AND s.entered_event_id = gone.event))""",
        [deal for deal, _ in gone],
        [one.known_from for _, one in gone],
        [one.slice.start for _, one in gone],
        [one.slice.end for _, one in gone],
        [one.slice.facts.entered_source for _, one in gone],
        [one.slice.facts.entered_event_id for _, one in gone],
    )


def _rows(partition: int, number: int, come: Iterable[tuple[str, Iterable[Rectangle]]]) -> Iterator[tuple[object, ...]]:
    for deal, rectangles in come:
        for known_from, known_until, (start, end, facts) in rectangles:
            yield (partition, deal, number, known_from, known_until, start, end, *facts)
