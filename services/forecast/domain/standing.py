"""Where a deal stands and which stages it visited: what win rates are learned from and pipelines weighed with."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from services.forecast.domain.winning import ClosedDeal, Place, Visit
from shared.kernel.journal import Journal, known
from shared.sales import lookup
from shared.sales.company import Company
from shared.sales.deal import DealState, closing, created_on, deal_life, deal_value, spells
from shared.sales.references import Key, References, View


@dataclass(frozen=True, slots=True)
class Standing:
    """One deal as known now. `value` is in base currency, at the price and rate of the day since which it stands as it
    does; None without an amount or a rate."""

    deal: str
    place: Place
    outcome: str
    """open, won, lost or ended."""
    entered_on: date
    """The business day on which it entered its present stage."""
    created_on: date
    closed_on: date | None
    known_on: date
    """The last day on which something about it was learned."""
    value: Decimal | None
    estimated: bool
    business_line: str | None
    related: bool
    visits: tuple[Visit, ...]


def standing(key: Key, journal: Journal, references: References, company: Company) -> tuple[Standing, frozenset[Key]]:
    """The deal as everything is known now, and the reference keys on which that depends."""
    view = View(references, date.max)
    assertions = known(journal, date.max)
    life = deal_life(assertions, view, company)
    last, closed = life[-1], closing(life)
    valued_on = _stands_since(life) if closed is None else closed.day
    worth = deal_value(last, view, valued_on)
    base = None if worth.amount is None else lookup.converted(view, worth.amount, company, valued_on).base
    buyer = lookup.buyer_of(view, last.said.text("customer_id"), last.day if closed is None else closed.day)
    return Standing(
        deal=key.id,
        place=Place(last.pipeline, last.stage),
        outcome=_outcome(last),
        entered_on=_entered(life),
        created_on=created_on(life),
        closed_on=None if closed is None else closed.day,
        known_on=max(one.known_on for one in journal),
        value=base,
        estimated=worth.estimated,
        business_line=last.said.text("business_line"),
        related=buyer.related,
        visits=_visits(life),
    ), frozenset(view.asked)


def closed_deal(one: Standing) -> ClosedDeal | None:
    """The deal as experience; None while it is open or if it ended."""
    if one.closed_on is None:
        return None
    return ClosedDeal(one.deal, one.outcome == "won", one.closed_on, one.known_on, one.visits)


def _outcome(last: DealState) -> str:
    if not last.alive:
        return "ended"
    return "won" if last.is_won else "lost" if last.is_lost else "open"


def _stands_since(life: Sequence[DealState]) -> date:
    """The first day of its present spell: there a stock is valued."""
    *_, (spell, _) = spells(life)
    return spell.day


def _entered(life: Sequence[DealState]) -> date:
    entered = life[-1].day
    for state in reversed(life):
        if not state.alive or (state.pipeline, state.stage) != (life[-1].pipeline, life[-1].stage):
            break
        entered = state.day
    return entered


def _visits(life: Sequence[DealState]) -> tuple[Visit, ...]:
    """Each run of an open stage that the deal has left again."""
    visits: list[Visit] = []
    begun: tuple[Place, date] | None = None
    for state in life:
        place = Place(state.pipeline, state.stage) if state.is_open else None
        if begun is not None and begun[0] != place:
            visits.append(Visit(begun[0], begun[1], state.day))
            begun = None
        if begun is None and place is not None:
            begun = place, state.day
    return tuple(visits)
