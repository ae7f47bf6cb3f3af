"""Which sums of a ledger its summaries keep: by some dimensions always, by the others one or two at a time."""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
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
        """Whether it tells just these dimensions apart, for all these facts."""
        return dimensions == set(self.dimensions) and (not self.facts or self.facts.issuperset(facts))


@dataclass(frozen=True)
class Slices:
    """How one ledger is summarised."""

    ledger: Ledger
    kept: tuple[str, ...]
    """Told apart in every summary row: what sums must not mix, or almost every question asks for."""
    cuts: tuple[Cut, ...] = field(default=())

    @property
    def table(self) -> str:
        """Name of the summary table."""
        return self.ledger.name.removesuffix("_postings") + "_summary"

    def cut_for(self, dimensions: Set[str], facts: Iterable[str]) -> Cut | None:
        """The cut to read for a question about these; None if there is none."""
        asked, wanted = set(dimensions) - set(self.kept), tuple(facts)
        return next((cut for cut in self.cuts if cut.answers(asked, wanted)), None)


_PEOPLE = ("member", "team", "manager", "region")
_MARKETS = ("sector", "channel", "business_line")
_GOODS = ("product", "category")
CLOSINGS = frozenset({"won", "lost"})
"""The facts that carry `days`, always."""


_BY_DAY = frozenset({"team", "region", "category", *_MARKETS})
"""These have few members. By member, product or customer there would be as many sums of a day as postings."""


def _singly(*names: str) -> tuple[Cut, ...]:
    """No dimension, and each of these."""
    return (Cut(by_day=True), *(Cut((name,), by_day=name in _BY_DAY) for name in names))


def _histograms(*names: str) -> tuple[Cut, ...]:
    """How often a closing took so many days, in all and by each of these."""
    return (Cut(("days",), CLOSINGS), *(Cut((name, "days"), CLOSINGS) for name in names))


_CROSSED = (
    Cut(("team", "category"), of_now=True),
    Cut(("team", "channel"), of_now=True),
    Cut(("category", "sector"), of_now=True),
    Cut(("category", "channel"), of_now=True),
)
"""Who sells what, and what is sold to whom and how. Other pairs are read from the ledger."""

# A customer has few deals but many order lines: its deals are read from the ledger as fast as from any sums.
SLICES: Mapping[str, Slices] = MappingProxyType(
    {
        slices.ledger.name: slices
        for slices in (
            Slices(
                DEALS,
                ("pipeline", "stage", "currency", "related"),
                (
                    *_singly(*_PEOPLE, *_GOODS, *_MARKETS),
                    *_histograms("team", "region", "category"),
                    *_CROSSED,
                ),
            ),
            Slices(
                TRADE,
                ("document", "unit", "currency", "related"),
                (*_singly(*_PEOPLE, *_GOODS, *_MARKETS, "customer"), *_CROSSED),
            ),
            Slices(
                CASH,
                ("instrument", "currency", "related"),
                _singly(*_PEOPLE, *_MARKETS, "customer"),
            ),
        )
    }
)
