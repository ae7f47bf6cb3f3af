"""Whether two builds of this service say the same, and what they say differently."""

from typing import Any

from services.pipeline.domain.facts import Facts
from services.pipeline.queries import deals
from shared.storage.database import Reader
from shared.storage.differences import row_differences
from shared.storage.digests import Digest

_COLUMNS = ("deal", "known_from", "known_until", "valid_from", "valid_until", *Facts._fields)


def digest() -> Digest:
    """Of all states of all deals, as known now."""
    return Digest(rows=[deals.states(None)])


async def differences(reader: Reader, before: str, after: str) -> list[dict[str, Any]]:
    """The first states of deals that stand in one of two schemas only."""
    return await row_differences(reader, "deal_state", _COLUMNS, before, after)
