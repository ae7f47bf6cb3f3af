"""A question about a KPI, made sure to have an answer: every parameter is checked against the KPI's declaration."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from types import MappingProxyType

from services.metrics.domain.kpis.declaration import Formula, Kind, Kpi
from services.metrics.domain.spans import FIRST_DAY, LAST_DAY, Compare
from shared.kernel.errors import CurrencyMismatchError, Fault, InvalidInputError
from shared.kernel.period import Grain

Member = str | None
"""The value of a dimension; None stands for what has none."""


class View(StrEnum):
    """In which money the answer is told."""

    BASE = "base"
    """Company currency at the rate of each day."""
    CONSTANT = "constant"
    """Company currency at the rates of one day: no exchange effects."""
    ORIGINAL = "original"
    """As the source said it; one currency at a time."""


class Related(StrEnum):
    """Whether intercompany customers count."""

    EXCLUDE = "exclude"
    INCLUDE = "include"
    ONLY = "only"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a caller may say about a number; everything has a default."""

    start: date | None = None
    end: date | None = None
    grain: Grain | None = None
    by: tuple[str, ...] = ()
    where: Mapping[str, tuple[Member, ...]] = field(default_factory=lambda: MappingProxyType({}))
    known_at: date | None = None
    compare: Compare | None = None
    view: View = View.BASE
    basis: str | None = None
    related: Related = Related.EXCLUDE
    window: int | None = None
    """Days before the end of each period, that included."""


@dataclass(frozen=True, slots=True)
class Inquiry:
    """A checked question: it has one formula, and sums nothing that must not be summed."""

    kpi: Kpi
    formula: Formula
    basis: str
    asked: Asked
    by: tuple[str, ...]
    """Dimensions of the rows, in this order."""

    @property
    def currency(self) -> str | None:
        """The one currency that the rows are filtered to, in the original view."""
        wanted = self.asked.where.get("currency", ())
        return wanted[0] if len(wanted) == 1 else None


def inquire(kpi: Kpi, asked: Asked, *, default_basis: str = "") -> Inquiry:
    """Raises InvalidInputError with a fault for each parameter that makes no sense for this KPI, and
    CurrencyMismatchError for a sum over several currencies."""
    faults = [*_range_faults(asked), *_slice_faults(kpi, asked), *_choice_faults(kpi, asked)]
    if faults:
        raise InvalidInputError(f"This cannot be asked of the KPI {kpi.slug}.", faults=faults)
    missing = [name for name in kpi.sliced_by if name not in asked.by and not _is_one(asked, name)]
    by = (*missing, *asked.by)
    if asked.view is View.ORIGINAL and "currency" not in by and not _is_one(asked, "currency"):
        raise CurrencyMismatchError(
            "Original amounts are summed one currency at a time.",
            faults=[Fault("currency-view", "needs by=currency or filter=currency:<code>")],
        )
    basis = asked.basis or (default_basis if default_basis in kpi.bases else next(iter(kpi.bases), ""))
    return Inquiry(kpi, kpi.formulas[basis], basis, asked, by)


def must_be_single(inquiry: Inquiry) -> None:
    """For lineage, targets and alert rules. Raises InvalidInputError unless the answer is one number."""
    if inquiry.by:
        names = " and ".join(f"filter={name}:<value>" for name in inquiry.by)
        raise InvalidInputError(
            f"This needs one number, and {inquiry.kpi.slug} has one for each of these.",
            faults=[Fault("filter", f"add {names}")],
        )


def _is_one(asked: Asked, dimension: str) -> bool:
    return len(asked.where.get(dimension, ())) == 1


def _range_faults(asked: Asked) -> Iterator[Fault]:
    for name, day in (("from", asked.start), ("to", asked.end), ("known_at", asked.known_at)):
        if day is not None and not FIRST_DAY <= day <= LAST_DAY:
            yield Fault(name, f"must be between {FIRST_DAY} and {LAST_DAY}")
    if asked.start and asked.end and asked.end < asked.start:
        yield Fault("to", "must not be before `from`: the range ends before it starts")
    if asked.window is not None and not 1 <= asked.window <= (LAST_DAY - FIRST_DAY).days:
        yield Fault("window", "must be at least one day")


def _slice_faults(kpi: Kpi, asked: Asked) -> Iterator[Fault]:
    known = ", ".join(kpi.dimensions)
    for name in asked.by:
        if name == "related":
            if asked.related is not Related.INCLUDE:
                yield Fault("by", "related needs related=include")
        elif name not in kpi.dimensions:
            yield Fault("by", f"is no dimension of this KPI; it has {known}")
    if len(set(asked.by)) < len(asked.by):
        yield Fault("by", "names a dimension twice")
    for name in asked.where:
        if name not in kpi.dimensions:
            yield Fault("filter", f"is no dimension of this KPI; it has {known}")


def _choice_faults(kpi: Kpi, asked: Asked) -> Iterator[Fault]:
    if asked.basis is not None and asked.basis not in kpi.bases:
        yield Fault("basis", f"is one of {', '.join(kpi.bases)}" if kpi.bases else "means nothing for this KPI")
    if asked.window is not None and not kpi.has_window:
        yield Fault("window", "means nothing for this KPI")
    if asked.compare is not None and asked.grain is None and (asked.start is None or asked.end is None):
        yield Fault("compare", "needs `from` and `to`, or a grain: all of history has nothing before it")
    if asked.view is not View.BASE:
        yield from _view_faults(kpi, asked.view)


def _view_faults(kpi: Kpi, view: View) -> Iterator[Fault]:
    if not kpi.in_money:
        yield Fault("currency-view", "means nothing for this KPI: there is no money in it")
    elif kpi.base_currency_only:
        yield Fault("currency-view", f"cannot be {view}: costs are kept in base currency only")


def names(values: Sequence[Member]) -> list[str]:
    """Members as they are written in a filter."""
    return ["none" if value is None else value for value in values]


def is_flow(kpi: Kpi) -> bool:
    """Whether the value grows through its period, so that a target is approached and not merely met."""
    return kpi.kind is Kind.ADDITIVE
