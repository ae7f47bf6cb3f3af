"""What two builds of this service say differently."""

from typing import Any

from services.metrics.domain.ledgers import LEDGERS
from shared.storage.database import Reader
from shared.storage.differences import ledger_differences


async def differences(reader: Reader, before: str, after: str) -> list[dict[str, Any]]:
    """The first cells of each ledger whose sums differ between two schemas."""
    return [one for ledger in LEDGERS.values() for one in await ledger_differences(reader, ledger, before, after)]
