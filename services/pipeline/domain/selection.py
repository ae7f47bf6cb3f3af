"""Which deals are asked for, at which instant and as known when."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

from services.pipeline.domain.stages import Outcome
from shared.kernel.errors import Fault
from shared.sales.company import LOST, UNMAPPED, WON, Pipelines

Missing = Literal["customer", "owner", "product", "amount"]
SortField = Literal["id", "amount", "created_on", "entered_stage_at", "expected_close_on"]
Names = tuple[str, ...]
"""Any of them; empty: all."""


@dataclass(frozen=True, slots=True)
class Moment:
    """The instant asked about, and the business date up to whose evening knowledge counts; None: all that is known."""

    at: datetime
    known_at: date | None


@dataclass(frozen=True, slots=True)
class Sort:
    """Deals without a value come last in either direction; equal ones in the order of their ids."""

    field: SortField = "id"
    descending: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """All of these must hold. Ranges include both ends; amounts are in base currency."""

    pipeline: Names = ()
    stage: Names = ()
    outcome: tuple[Outcome, ...] = ()
    """Empty: open, won and lost."""
    owner: Names = ()
    team: Names = ()
    region: Names = ()
    customer: Names = ()
    product: Names = ()
    channel: Names = ()
    business_line: Names = ()
    missing: tuple[Missing, ...] = ()
    amount_min: Decimal | None = None
    amount_max: Decimal | None = None
    created_from: date | None = None
    created_to: date | None = None
    expected_close_from: date | None = None
    expected_close_to: date | None = None
    in_stage_longer_than: int | None = None
    """Whole business days; strictly more than that."""

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """What is meant when no outcome is named."""
        return self.outcome or (Outcome.OPEN, Outcome.WON, Outcome.LOST)

    def range_faults(self) -> Iterator[Fault]:
        """Ranges that end before they start."""
        if self.amount_min is not None and self.amount_max is not None and self.amount_max < self.amount_min:
            yield Fault("amount_max", "must not be less than amount_min")
        if self.created_from and self.created_to and self.created_to < self.created_from:
            yield Fault("created_to", "must not be before created_from")
        start, end = self.expected_close_from, self.expected_close_to
        if start and end and end < start:
            yield Fault("expected_close_to", "must not be before expected_close_from")

    def name_faults(self, pipelines: Pipelines) -> Iterator[Fault]:
        """Stages that none of the pipelines asked for has."""
        asked = self.pipeline or tuple(pipelines.stages)
        known = {stage for name in asked for stage in pipelines.stages.get(name, ())} | {WON, LOST, UNMAPPED}
        if not known.issuperset(self.stage):
            yield Fault("stage", f"must be one of {', '.join(_in_order(pipelines, asked))}")


def _in_order(pipelines: Pipelines, asked: Names) -> list[str]:
    named = [stage for name in asked for stage in pipelines.stages.get(name, ())]
    return list(dict.fromkeys([*named, WON, LOST, UNMAPPED]))
