"""Whether two builds of this service say the same, and what they say differently."""

from typing import Any

from services.forecast.domain.ledgers import POSTINGS
from shared.storage.database import Reader
from shared.storage.differences import ledger_differences, row_differences
from shared.storage.digests import Digest, Rows

_STANDING = (
    "deal", "pipeline", "stage", "outcome", "entered_on", "created_on", "closed_on", "known_on", "value", "estimated",
    "business_line", "related", "visits",
)  # fmt: skip
_DIGESTED = tuple(f"trim_scale(s.{name})" if name == "value" else f"s.{name}" for name in _STANDING)


def digest() -> Digest:
    """Of the cells of the series and the standings of the deals."""
    return Digest([POSTINGS], [Rows("standing", _DIGESTED)])


async def differences(reader: Reader, before: str, after: str) -> list[dict[str, Any]]:
    """The first cells and standings that differ between two schemas."""
    return [
        *await ledger_differences(reader, POSTINGS, before, after),
        *await row_differences(reader, "standing", _STANDING, before, after),
    ]
