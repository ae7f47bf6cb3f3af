"""Where the answers of this service come from: its snapshots, and the settings that numbers depend on."""

from dataclasses import dataclass

from shared.http.snapshot import Snapshots
from shared.sales.company import Company


@dataclass(frozen=True, slots=True)
class Questions(Snapshots):
    """Snapshots of the deals."""

    company: Company
