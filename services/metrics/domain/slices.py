"""Which sums of a ledger its summaries keep: by some dimensions always, by the others one or two at a time."""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

from services.metrics.domain.ledgers import CASH, DEALS, TRADE
from shared.kernel.ledger import Ledger

SUMMARY_KEY = ("cut", "grain", "fact", "start", "dimension_id", "other_id", "known")
"""What tells the rows of every summary apart, beside the dimensions that it keeps; in the order of its index."""

_EVERY: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Cut:
    """Sums by at most two dimensions at once, beside those that every row keeps."""

    dimensions: tuple[str, ...] = ()
    facts: frozenset[str] = _EVERY
    """Only of these; empty is of all."""
    by_day: bool = False
    """By day too. Otherwise by month alone: days before and after whole months are read from the ledger."""
    of_now: bool = False
    """Only as known now; what was known on a past day is read from the ledger."""

    @property
    def name(self) -> str:
        """As it stands in the summary's column `cut`."""
        return "+".join(self.dimensions)

    def answers(self, dimensions: Set[str], facts: Iterable[str]) -> bool:
        """Whether it tells these dimensions apart, for all these facts."""
        return dimensions <= set(self.dimensions) and (not self.facts or self.facts.issuperset(facts))


Family = tuple[Cut, ...]
"""Cuts that are summed together: postings once by all their dimensions, the cuts from these fewer sums. It pays where
members of one dimension have few members of the others."""


@dataclass(frozen=True)
class Slices:
    """How one ledger is summarised."""

    ledger: Ledger
    kept: tuple[str, ...]
    """Told apart in every summary row: what sums must not mix, or almost every question asks for."""
    families: tuple[Family, ...]

    @cached_property
    def cuts(self) -> tuple[Cut, ...]:
        """All of them, those of the fewest dimensions first."""
        return tuple(sorted((cut for family in self.families for cut in family), key=lambda cut: len(cut.dimensions)))

    @property
    def table(self) -> str:
        """Name of the summary table."""
        return self.ledger.name.removesuffix("_postings") + "_summary"

    def cut_for(self, dimensions: Set[str], facts: Iterable[str]) -> Cut | None:
        """The cut with the fewest sums to read for a question about these; None if there is none."""
        asked, wanted = set(dimensions) - set(self.kept), tuple(facts)
        return next((cut for cut in self.cuts if cut.answers(asked, wanted)), None)


CLOSINGS = frozenset({"won", "lost"})
"""The facts that carry `days`, always."""


def _daily(*names: str) -> Family:
    """By each of these, also by day: they have few members."""
    return tuple(Cut((name,), by_day=True) for name in names)


def _monthly(*names: str) -> Family:
    """By each of these: by member, product or customer a day has as many sums as postings."""
    return tuple(Cut((name,)) for name in names)


_MARKETS: Family = (Cut(by_day=True), *_daily("sector", "channel", "business_line"))
_SELLERS: Family = (*_daily("team", "region", "currency"), Cut(("team", "currency")))
_PERSONS = _monthly("member", "manager")
_ACCOUNTS: Family = (Cut(("customer", "currency")),)
"""Who owes what is netted by customer and currency; few customers have two."""
_GOODS = (_daily("category"), _monthly("product"))
_CROSSED: tuple[Family, ...] = ((Cut(("team", "category"), of_now=True),), (Cut(("category", "sector"), of_now=True),))
"""Who sells what, and what is sold to whom. Other pairs are read from the ledger."""
_HISTOGRAMS: tuple[Family, ...] = (
    (Cut(("days",), CLOSINGS, by_day=True),),
    (Cut(("team", "days"), CLOSINGS), Cut(("region", "days"), CLOSINGS)),
    (Cut(("category", "days"), CLOSINGS),),
)
"""How often a closing took so many days, in all and by each of these."""

# A customer has few deals but many order lines: its deals are read from the ledger as fast as from any sums.
SLICES: Mapping[str, Slices] = MappingProxyType(
    {
        slices.ledger.name: slices
        for slices in (
            Slices(
                DEALS,
                ("pipeline", "stage", "related"),
                (_MARKETS, _SELLERS, _PERSONS, *_GOODS, *_CROSSED, *_HISTOGRAMS),
            ),
            Slices(
                TRADE,
                ("document", "unit", "related"),
                (_MARKETS, _SELLERS, _PERSONS, _ACCOUNTS, *_GOODS, *_CROSSED),
            ),
            Slices(CASH, ("instrument", "related"), (_MARKETS, _SELLERS, _PERSONS, _ACCOUNTS)),
        )
    }
)
