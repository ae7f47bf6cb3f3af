"""What a deal was, day by day, and what happened to it."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from fractions import Fraction
from itertools import takewhile
from typing import Any

from tests.oracle.replay import FIRST, STAGES, Company, Fact, State


def _price(company: Company, said: Mapping[str, Any], day: date) -> tuple[Mapping[str, str] | None, Fraction]:
    """What a deal is worth: its amount, else the list price of the day times the quantity."""
    if said.get("amount") is not None:
        return said["amount"], Fraction(1)
    quantity = said.get("quantity")
    return company.ref("product", said.get("product_id"), day, "price"), Fraction(1 if quantity is None else quantity)


def _at(company: Company, name: str, state: State, day: date, entered: date, stage: str, days: int = 0) -> Fact:
    money, times = _price(company, state.said, entered)
    under = company.under(state.said, day) | {"stage": stage, "currency": money["currency"] if money else None}
    under["pipeline"] = state.said.get("pipeline_id") or "default"
    return Fact(name, day, under, company.worth(money, entered, times), days=days)


def flows(company: Company, life: Sequence[State]) -> Iterator[Fact]:
    """The flows of a deal that still exists: under its present owner, customer and product."""
    now = life[-1]
    if now.ended:
        return
    created = date.fromisoformat(now.said.get("created_on") or life[0].day.isoformat())
    for name in ("created", "created-won")[: 1 + (now.stage == "won")]:
        yield _at(company, name, now, created, created, STAGES[0])
    if now.stage in ("won", "lost"):
        run = takewhile(lambda s: not s.ended and s.stage == now.stage, reversed(life))
        closed = [state.day for state in run][-1]
        yield _at(company, now.stage, now, closed, closed, now.stage, (closed - created).days)
    order = (*STAGES, "won")
    same = [s for s in life if not s.ended and s.stage in order]
    same = [s for s in same if s.said.get("pipeline_id") == now.said.get("pipeline_id")]
    furthest = max((order.index(s.stage) for s in same), default=-1)
    for rank, stage in enumerate(STAGES[: furthest + 1]):
        day = next(s.day for s in same if order.index(s.stage) >= rank)
        is_young = rank == furthest and now.stage not in ("won", "lost")
        for name in ("reached", *["advanced"] * (rank < furthest), *["undecided"] * is_young):
            yield _at(company, name, now, day, day, stage)


def standing(company: Company, lives: Sequence[Sequence[State]], evening: date) -> Iterator[Fact]:
    """The deals that are open on an evening, worth what they were when they entered their state."""
    for life in lives:
        evenings = {state.day: state for state in life if state.day <= evening}
        entered, before, last = FIRST, None, None
        for day, last in evenings.items():  # in the order of days
            if _standing(last) != before:
                entered, before = day, _standing(last)
        if last and before is not None:
            yield _at(company, "open", last, evening, entered, last.stage)


def _standing(state: State) -> tuple[Any, ...] | None:
    """What makes an open deal the same stock as the evening before; None if it is not open."""
    if state.ended or state.stage in ("won", "lost"):
        return None
    said = state.said
    names = ("owner_id", "customer_id", "product_id", "channel_id", "business_line", "amount")
    told = (said.get("pipeline_id") or "default", state.stage, *(str(said.get(name)) for name in names))
    return (*told, None if said.get("amount") else str(said.get("quantity")))
