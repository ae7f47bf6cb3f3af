"""The life of a deal: its states in source order, with stages and values read as known on one day."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import takewhile

from shared.kernel.journal import Assertion, State, states
from shared.kernel.money import Money
from shared.sales import lookup
from shared.sales.company import LOST, WON, Company
from shared.sales.references import View

COLLECTIONS = frozenset({"competitor_ids"})


@dataclass(frozen=True, slots=True)
class DealState:
    """What is true of a deal from `since` (inclusive) until its next state."""

    since: datetime
    day: date
    """Business date of `since`."""
    alive: bool
    pipeline: str
    stage: str
    said: State

    @property
    def is_open(self) -> bool:
        return self.alive and self.stage not in (WON, LOST)

    @property
    def is_won(self) -> bool:
        return self.alive and self.stage == WON

    @property
    def is_lost(self) -> bool:
        return self.alive and self.stage == LOST


@dataclass(frozen=True, slots=True)
class DealValue:
    """What a deal is worth. `amount` is None if neither the source nor the price list says."""

    amount: Money | None
    estimated: bool
    """Taken from the dated price list, because the source said no amount."""


def deal_life(assertions: Sequence[Assertion], view: View, company: Company) -> list[DealState]:
    """Every state of the deal, oldest first, one for each assertion; `assertions` are in stamp order."""
    return [_deal_state(said, view, company) for said in states(assertions, COLLECTIONS)]


def _deal_state(said: State, view: View, company: Company) -> DealState:
    day = company.calendar.day(said.since)
    pipeline = lookup.pipeline_of(said.fields.get("pipeline_id"))
    label = said.text("stage")
    if label is None:
        first = company.pipelines.stages.get(pipeline, ())
        stage = first[0] if first else "unmapped"
    else:
        source = said.stamps["stage"].source
        stage = lookup.stage_of(view, company, source=source, pipeline=pipeline, label=label, day=day)
    return DealState(said.since, day, not said.ended, pipeline, stage, said)


def deal_value(state: DealState, view: View) -> DealValue:
    """The amount that was said, else list price × quantity (one if unsaid) on the day of the state."""
    amount = lookup.money(state.said.fields.get("amount"))
    if amount is not None:
        return DealValue(amount, estimated=False)
    product = state.said.text("product_id")
    price = lookup.price_of(view, product, state.day) if product else None
    if price is None:
        return DealValue(None, estimated=False)
    quantity = lookup.decimal(state.said.fields.get("quantity"))
    return DealValue(price.times(Decimal(1) if quantity is None else quantity), estimated=True)


def created_on(life: Sequence[DealState]) -> date:
    """The day on which the deal came into being: as said, else the day of its first state. `life` is not empty."""
    return lookup.day_of(life[-1].said.fields.get("created_on")) or life[0].day


def closing(life: Sequence[DealState]) -> DealState | None:
    """The state in which the present win or loss began; None while the deal is open or if it ended."""
    last = life[-1]
    if not (last.is_won or last.is_lost):
        return None
    run = list(takewhile(lambda state: state.alive and state.stage == last.stage, reversed(life)))
    return run[-1]
