"""Stored forecasts."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from shared.storage.database import Reader


async def latest(reader: Reader, series: str, *, made_by: datetime | None = None) -> Mapping[str, Any] | None:
    """The forecast of a series that was in force at an instant; now if None."""
    row = await reader.row(
        """SELECT body FROM vintage WHERE series = $1 AND ($2::timestamptz IS NULL OR made_at <= $2)
           ORDER BY made_at DESC, known_at DESC, revision DESC LIMIT 1""",
        series,
        made_by,
    )
    return None if row is None else row["body"]


async def newest_made(reader: Reader, series: str) -> Mapping[str, Any] | None:
    """Day, revision and digest of history of the last vintage of a series."""
    return await reader.row(
        """SELECT known_at, revision, history FROM vintage WHERE series = $1
           ORDER BY known_at DESC, revision DESC LIMIT 1""",
        series,
    )


async def all_of(reader: Reader, series: str) -> list[Mapping[str, Any]]:
    """Every vintage of a series, oldest first."""
    rows = await reader.rows("SELECT body FROM vintage WHERE series = $1 ORDER BY made_at, known_at, revision", series)
    return [row["body"] for row in rows]
