"""Targets out of the reference data. Every partition keeps a copy; together they know what any of them knows."""

from datetime import date

from services.metrics.domain.targets import Target, target_of
from shared.kernel.journal import Journal, merge
from shared.storage.database import Reader
from shared.storage.encoding import unpack_journal


async def read_targets(reader: Reader, known_at: date | None) -> list[Target]:
    """All living targets as known then, in the order of their ids."""
    rows = await reader.rows("SELECT id, journal FROM reference WHERE kind = 'target'")
    journals: dict[str, Journal] = {}
    for row in rows:
        journals[row["id"]] = merge(journals.get(row["id"], ()), unpack_journal(row["journal"]))
    found = (target_of(target_id, journals[target_id], known_at or date.max) for target_id in sorted(journals))
    return [target for target in found if target is not None]
