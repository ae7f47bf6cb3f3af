"""Which dimensions of a ledger its summaries keep: some always told apart, the others one at a time."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from services.metrics.domain.ledgers import CASH, DEALS, TRADE
from shared.kernel.ledger import Ledger


@dataclass(frozen=True)
class Slices:
    """How one ledger is summarised."""

    ledger: Ledger
    kept: tuple[str, ...]
    """Told apart in every summary row: what sums must not mix, or almost every question asks for."""
    single: tuple[str, ...]
    """Summarised one at a time. A question about two of them at once reads the ledger."""

    @property
    def table(self) -> str:
        """Name of the summary table."""
        return self.ledger.name.removesuffix("_postings") + "_summary"

    def answers(self, dimensions: set[str]) -> str | None:
        """The one dimension to read for a question about these: "" for none; None if no summary can answer."""
        asked = dimensions - set(self.kept)
        if not asked:
            return ""
        only = next(iter(asked))
        return only if len(asked) == 1 and only in self.single else None


_PEOPLE = ("member", "team", "manager", "region")
_MARKETS = ("sector", "channel", "business_line")
_GOODS = ("product", "category")

# A customer has few deals but many order lines: its deals are read from the ledger as fast as from any sums.
SLICES: Mapping[str, Slices] = MappingProxyType(
    {
        slices.ledger.name: slices
        for slices in (
            Slices(DEALS, ("pipeline", "stage", "currency", "related"), (*_PEOPLE, *_GOODS, *_MARKETS)),
            Slices(TRADE, ("document", "unit", "currency", "related"), (*_PEOPLE, *_GOODS, *_MARKETS, "customer")),
            Slices(CASH, ("instrument", "currency", "related"), (*_PEOPLE, *_MARKETS, "customer")),
        )
    }
)
