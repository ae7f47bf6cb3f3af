"""What a deal was, day by day, and what happened to it."""

from collections.abc import Iterator, Sequence
from datetime import date
from fractions import Fraction
from functools import partial
from itertools import takewhile
from typing import Any, NamedTuple

from tests.oracle.replay import DEFAULT, NEVER, Company, Fact, Said, State, day_of, money

CLOSED = ("won", "lost")


class Standing(NamedTuple):
    """A deal as it stood open from `start` until the evening before `end`."""

    start: date
    end: date
    state: State


def _pipeline(said: Said) -> str:
    return str(said.get("pipeline_id") or DEFAULT)


def _stage(company: Company, state: State) -> str:
    """The canonical stage: by the map of the source that said it, as of the day of the state."""
    stages, label = company.pipelines.get(_pipeline(state.said), ()), state.said.get("stage")
    if label is None:
        return stages[0] if stages else "unmapped"
    chart = f"{state.sources['stage']}#{_pipeline(state.said)}"
    stage = company.ref("stage-map", chart, state.day, "stages", label, "stage") or label
    return stage if stage in (*stages, *CLOSED) else "unmapped"


def _fact(company: Company, said: Said, name: str, stage: str, day: date, valued_on: date, days: int = 0) -> Fact:
    """Where it stands on `day`, worth its amount, else the list price of `valued_on` × quantity."""
    amount, estimated = money(said.get("amount")), {}
    if amount is None:
        price = money(company.ref("product", said.get("product_id"), valued_on, "price"))
        times = Fraction(1 if said.get("quantity") is None else said["quantity"])
        amount, estimated = (price._replace(amount=price.amount * times), {"estimated": 1}) if price else (None, {})
    pipeline = _pipeline(said)
    later = {"later": int(stage in company.pipelines.get(pipeline, ())[1:]), "days": days, f"={days}": 1}
    under = {"pipeline": pipeline, "stage": stage, "currency": amount.currency if amount else None}
    sums = {"count": 1, **later, **estimated, **company.worth(amount, valued_on)}
    return Fact(name, day, {**company.under(said, day), **under}, sums)


def flows(company: Company, life: Sequence[State]) -> Iterator[Fact]:
    """The flows of a deal that still exists: what it says now, on the day of the fact."""
    said, pipeline = life[-1].said, _pipeline(life[-1].said)
    stages, now = company.pipelines.get(pipeline, ()), _stage(company, life[-1])
    fact = partial(_fact, company, said)
    created = day_of(said, "created_on") or life[0].day
    for name in ("created", "created-won")[: 1 + (now == "won")]:
        yield fact(name, stages[0] if stages else "unmapped", created, created)
    if now in CLOSED:
        *_, closed = takewhile(lambda s: not s.ended and _stage(company, s) == now, reversed(life))
        yield fact(now, now, closed.day, closed.day, (closed.day - created).days)
    order = (*stages, "won")
    same = [(s.day, _stage(company, s)) for s in life if not s.ended and _pipeline(s.said) == pipeline]
    ranks = [(day, order.index(stage)) for day, stage in same if stage in order]
    furthest = max((rank for _, rank in ranks), default=-1)
    for at, stage in enumerate(stages[: furthest + 1]):
        day = next(day for day, rank in ranks if rank >= at)
        stayed = "dropped" if now in CLOSED else "undecided"
        yield fact("advanced" if at < furthest else stayed, stage, day, day)


def standings(company: Company, life: Sequence[State]) -> Iterator[Standing]:
    """How it stood on its evenings. It stands anew when it says something else of what makes it this stock."""
    evenings = list({state.day: state for state in life}.values())  # the last of each day, in the order of days
    before, start = None, NEVER
    for state, following in zip(evenings, [*evenings[1:], None], strict=True):
        now = _stock(company, state)
        start = start if now == before else state.day
        if now is not None:
            yield Standing(start, following.day if following else NEVER, state)
        before = now


def standing(company: Company, one: Standing, evening: date) -> Fact:
    """The stock of an evening, worth what it was when it began to stand."""
    return _fact(company, one.state.said, "open", _stage(company, one.state), evening, one.start)


def _stock(company: Company, state: State) -> tuple[Any, ...] | None:
    """What makes an open deal the same stock as the evening before; None if it is not open."""
    stage = _stage(company, state)
    if state.ended or stage in CLOSED:
        return None
    said, names = state.said, ("owner_id", "customer_id", "product_id", "channel_id", "business_line", "amount")
    told = (_pipeline(said), stage, *(said.get(name) for name in names))
    return (*told, None if said.get("amount") else said.get("quantity"))
