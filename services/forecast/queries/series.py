"""Series by month, as they are known now."""

from datetime import date
from decimal import Decimal

from services.forecast.domain.series import Point, regular
from shared.kernel.period import Grain
from shared.storage.database import Reader


async def history(reader: Reader, series: str, before: date) -> tuple[Point, ...]:
    """What each complete month came to, from the first month with a posting; `before` is the first day not complete."""
    rows = await reader.rows(
        """SELECT date_trunc('month', p.day)::date AS month, sum(p.value) AS value
           FROM series_postings p JOIN position USING (partition)
           WHERE p.number <= position.number AND p.fact = $1 AND NOT p.related AND p.day < $2
           GROUP BY 1 HAVING sum(p.value) <> 0 ORDER BY 1""",
        series,
        before,
    )
    if not rows:
        return ()
    values: dict[date, Decimal] = {row["month"]: row["value"] for row in rows}
    last = date(before.year - (before.month == 1), (before.month - 2) % 12 + 1, 1)
    return regular(values, rows[0]["month"], last, Grain.MONTH)
