"""The life of a deal: its states in source order, with stages and values read as known on one day."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from itertools import takewhile, zip_longest
from typing import NamedTuple

from shared.kernel.journal import Assertion, State, states
from shared.kernel.money import Money
from shared.sales import lookup
from shared.sales.company import LOST, WON, Company
from shared.sales.references import View

COLLECTIONS = frozenset({"competitor_ids"})

_STANDS_BY = ("owner_id", "customer_id", "product_id", "channel_id", "business_line", "amount")
"""A deal that says the same of all these, in the same stage, is the same stock as before."""


@dataclass(slots=True, init=False)
class DealState:
    """What is true of a deal from `since` (inclusive) until its next state. Never changed; not frozen, as a state."""

    since: datetime
    day: date
    """Business date of `since`."""
    alive: bool
    pipeline: str
    stage: str
    said: State
    is_open: bool
    """Asked often: it is found once."""

    def __init__(self, since: datetime, day: date, alive: bool, pipeline: str, stage: str, said: State) -> None:  # noqa: FBT001
        self.since = since
        self.day = day
        self.alive = alive
        self.pipeline = pipeline
        self.stage = stage
        self.said = said
        self.is_open = alive and stage != WON and stage != LOST

    @property
    def is_won(self) -> bool:
        return self.alive and self.stage == WON

    @property
    def is_lost(self) -> bool:
        return self.alive and self.stage == LOST


class DealValue(NamedTuple):
    """What a deal is worth. `amount` is None if neither the source nor the price list says."""

    amount: Money | None
    estimated: bool
    """Taken from the dated price list, because the source said no amount."""


_value = partial(tuple.__new__, DealValue)
"""Of its values in order: half as slow as to call the class."""


def deal_life(
    assertions: Sequence[Assertion], view: View, company: Company, before: DealState | None = None
) -> list[DealState]:
    """Every state of the deal, oldest first, one for each assertion; `assertions` are in stamp order, and later than
    the state `before`."""
    lived = states(assertions, COLLECTIONS, before.said if before else None)
    return [_deal_state(said, view, company) for said in lived]


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


def deal_value(state: DealState, view: View, day: date) -> DealValue:
    """The amount that was said, else list price × quantity (one if unsaid) on the business day of what is valued.

    That is for a creation, a win, a loss or a stage reached the day of that fact, for a stock the first of its spell.
    """
    said = said_value(state)
    if said is not None:
        return said
    product = state.said.text("product_id")
    price = lookup.price_of(view, product, day) if product else None
    if price is None:
        return DealValue(None, estimated=False)
    quantity = lookup.decimal(state.said.fields.get("quantity"))
    return DealValue(price.times(Decimal(1) if quantity is None else quantity), estimated=True)


def said_value(state: DealState) -> DealValue | None:
    """The amount that was said, which is the same on every day; None if there is none."""
    amount = lookup.money(state.said.fields.get("amount"))
    return None if amount is None else _value((amount, False))


def created_on(life: Sequence[DealState]) -> date:
    """The day on which the deal came into being: as said, else the day of its first state. `life` is not empty."""
    return lookup.day_of(life[-1].said.fields.get("created_on")) or life[0].day


def closing(life: Sequence[DealState]) -> DealState | None:
    """The state in which the present win or loss began; None while the deal is open or if it ended."""
    last = life[-1]
    if last.is_open or not last.alive:
        return None
    run = list(takewhile(lambda state: state.alive and state.stage == last.stage, reversed(life)))
    return run[-1]


def spells(life: Sequence[DealState]) -> Iterator[tuple[DealState, date]]:
    """The states that outlast their business day, equal neighbours as one, each with the day on which it ends.

    An open one is a stock: it enters on the day of its state, and stands until its end with what it was worth then.
    """
    spell: DealState | None = None
    for state, following in zip_longest(life, life[1:]):
        if following is not None and following.day == state.day:
            continue
        if spell is not None:
            if _is_same(spell, state):
                continue
            yield spell, state.day
        spell = state
    if spell is not None:
        yield spell, date.max


def _is_same(before: DealState, after: DealState) -> bool:
    if not before.is_open or not after.is_open:
        return before.is_open == after.is_open
    if before.pipeline != after.pipeline or before.stage != after.stage:
        return False
    was, now = before.said.fields, after.said.fields
    for name in _STANDS_BY:
        if was.get(name) != now.get(name):
            return False
    return was.get("amount") is not None or was.get("quantity") == now.get("quantity")
