"""Writes the states of deals: whole deals at a time, all deals of a transaction in three statements."""

from collections.abc import Iterable, Iterator, Mapping

from services.pipeline.domain.history import Facts, History
from shared.storage.database import Writer

_TABLE = "deal_state"
_HEAD = ("partition", "deal", "from_number", "known_from", "known_until", "valid_from", "valid_until")


async def save_histories(writer: Writer, partition: int, number: int, histories: Mapping[str, History]) -> None:
    """Replace the rows of these deals by those that hold from `number` on.

    When the position of this transaction already stands there, nobody will read the old rows again and they go. In a
    turn of a refold it stands before: then the old rows stay for those who read up to it, and go at the next fold.
    """
    deals = list(histories)
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
    await writer.copy(_TABLE, (*_HEAD, *Facts._fields), _rows(partition, number, histories.items()))


def _rows(partition: int, number: int, histories: Iterable[tuple[str, History]]) -> Iterator[tuple[object, ...]]:
    for deal, history in histories:
        for known_from, known_until, (start, end, facts) in history.rectangles:
            yield (partition, deal, number, known_from, known_until, start, end, *facts)
