"""Where the answers of this service come from: its snapshots, and the settings that numbers depend on."""

from dataclasses import dataclass

from shared.http.snapshot import Snapshot, Snapshots
from shared.sales.company import Company

__all__ = ["Questions", "Snapshot"]


@dataclass(frozen=True, slots=True)
class Questions(Snapshots):
    """Snapshots of the ledgers."""

    company: Company
    receivable_basis: str
    """Default basis of receivables and prepayments."""
