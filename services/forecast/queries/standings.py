"""Where deals stand, as known now."""

from typing import Any

from services.forecast.domain.standing import Standing
from services.forecast.domain.winning import Place
from services.forecast.wire import read_visits
from shared.storage.database import Reader


async def standings(reader: Reader, business_line: str | None = None) -> list[Standing]:
    """Every deal that has not ended; related parties are left out."""
    rows = await reader.rows(
        """SELECT s.* FROM standing s JOIN position p USING (partition)
           WHERE s.from_number <= p.number AND (s.until_number IS NULL OR s.until_number > p.number)
             AND s.outcome <> 'ended' AND NOT s.related AND ($1::text IS NULL OR s.business_line = $1)
           ORDER BY s.deal""",
        business_line,
    )
    return [_standing(row) for row in rows]


def _standing(row: Any) -> Standing:
    return Standing(
        deal=row["deal"],
        place=Place(row["pipeline"], row["stage"]),
        outcome=row["outcome"],
        entered_on=row["entered_on"],
        created_on=row["created_on"],
        closed_on=row["closed_on"],
        known_on=row["known_on"],
        value=row["value"],
        estimated=row["estimated"],
        business_line=row["business_line"],
        related=row["related"],
        visits=read_visits(row["visits"]),
    )
