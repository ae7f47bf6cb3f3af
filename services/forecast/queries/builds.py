"""Whether two builds of this service say the same, and what they say differently."""

import hashlib
from typing import Any

from services.forecast.domain.ledgers import POSTINGS
from shared.storage.database import Reader
from shared.storage.differences import ledger_differences, row_differences

_STANDING = (
    "deal", "pipeline", "stage", "outcome", "entered_on", "created_on", "closed_on", "known_on", "value", "estimated",
    "business_line", "related", "visits",
)  # fmt: skip
_SCALE = 24
"""Digits after the point, as in the other digests."""


async def digest(reader: Reader) -> str:
    """SHA-256 over the cells of the series and the standings of the deals, whatever the partitions."""
    sha = hashlib.sha256()
    async for row in reader.stream(_CELLS):
        sha.update(f"{row['line']}\n".encode())
    async for row in reader.stream(_STANDINGS):
        sha.update(f"{row['line']}\n".encode())
    return sha.hexdigest()


async def differences(reader: Reader, before: str, after: str) -> list[dict[str, Any]]:
    """The first cells and standings that differ between two schemas."""
    return [
        *await ledger_differences(reader, POSTINGS, before, after),
        *await row_differences(reader, "standing", _STANDING, before, after),
    ]


_CELLS = f"""
    SELECT jsonb_build_array(known_on, day, fact, business_line, related,
                             round(sum(value), {_SCALE})::text, sum(unconverted))::text COLLATE "C" AS line
    FROM series_postings JOIN position USING (partition) WHERE series_postings.number <= position.number
    GROUP BY known_on, day, fact, business_line, related HAVING sum(value) <> 0 OR sum(unconverted) <> 0
    ORDER BY line"""  # noqa: S608 - declared names
_STANDINGS = f"""
    SELECT jsonb_build_array({", ".join(_STANDING).replace("value", f"round(value, {_SCALE})::text")})::text
             COLLATE "C" AS line
    FROM standing s JOIN position p USING (partition)
    WHERE s.from_number <= p.number AND (s.until_number IS NULL OR s.until_number > p.number)
    ORDER BY line"""  # noqa: S608
