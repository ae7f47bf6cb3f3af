"""The same numbers in a few naive lines that know nothing of journals, views, timelines or ledgers.

Everything is worked out anew from the bare list of events, for one evening, as known on one day.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, timedelta, timezone
from decimal import Decimal
from typing import Any

from shared.kernel.journal import Value
from tests.unit.sales.events import Event

SHANGHAI = timezone(timedelta(hours=8))
Figure = tuple[int, Decimal, int]
"""Count, value in EUR, how many have no rate."""

Totals = dict[tuple[str, str, str | None], Figure]
"""(fact, stage, team) → figure; nothing is left out."""


def totals(events: Iterable[Event], until: date, known_at: date) -> Totals:
    """What stands on the evening of `until`, as known on `known_at`."""
    visible = _visible(events, known_at)
    sums: defaultdict[tuple[str, str, str | None], Figure] = defaultdict(lambda: (0, Decimal(0), 0))
    for deal in sorted({event.id for event in visible if event.is_deal}):
        for place, figure in _deal(visible, deal, until):
            before = sums[place]
            sums[place] = (before[0] + figure[0], before[1] + figure[1], before[2] + figure[2])
    return {place: figure for place, figure in sums.items() if any(figure)}


def _visible(events: Iterable[Event], known_at: date) -> list[Event]:
    """Of every event the highest revision that was known, in the order of the source."""
    best: dict[tuple[str, str], Event] = {}
    for event in events:
        one = best.get((event.source, event.event_id))
        if event.known_on <= known_at and (one is None or event.revision > one.revision):
            best[event.source, event.event_id] = event
    return sorted(best.values(), key=lambda event: event.stamp)


def _deal(visible: Sequence[Event], deal: str, until: date) -> list[tuple[tuple[str, str, str | None], Figure]]:
    said = [event for event in visible if event.is_deal and event.id == deal]
    life = [_state(said[: count + 1]) for count in range(len(said))]
    found = []
    standing = [state for state in life if state["day"] <= until]
    if standing and not standing[-1]["ended"] and standing[-1]["stage"] not in ("won", "lost"):
        last = standing[-1]
        found.append((("open", last["stage"], _team(visible, last, until)), _worth(visible, last, last["day"])))
    began = None
    for state in life:
        won = state["stage"] == "won" and not state["ended"]
        began = (began or state["day"]) if won else None
    if began is not None and began <= until:
        found.append((("won", "won", _team(visible, life[-1], began)), _worth(visible, life[-1], began)))
    return found


def _state(said: Sequence[Event]) -> dict[str, Any]:
    state: dict[str, Any] = {"ended": False, "owner_id": None, "amount": None, "product_id": None}
    for event in said:
        state.update(event.fields)
        state["ended"] = state["ended"] if event.ended is None else event.ended
        state["day"] = event.occurred_at.astimezone(SHANGHAI).date()
    return {**state, "stage": state.get("stage") or "prospecting"}


def _team(visible: Sequence[Event], state: dict[str, Any], day: date) -> str | None:
    team: Any = _value(visible, "member", state["owner_id"], "unit_id", day)
    return team  # type: ignore[no-any-return]


def _worth(visible: Sequence[Event], state: dict[str, Any], day: date) -> Figure:
    money: Any = state["amount"] or _value(visible, "product", state["product_id"], "price", day)
    if money is None:
        return (1, Decimal(0), 0)
    amount, currency = Decimal(money["amount"]), money["currency"]
    rate = Decimal(1) if currency == "EUR" else _rate(visible, currency, day)
    return (1, Decimal(0), 1) if rate is None else (1, amount * rate, 0)


def _rate(visible: Sequence[Event], currency: str, day: date) -> Decimal | None:
    said: Any = _value(visible, "exchange-rate", f"spot:{currency}/EUR", "rate", day)
    opposite: Any = _value(visible, "exchange-rate", f"spot:EUR/{currency}", "rate", day)
    if said is not None:
        return Decimal(said)
    return None if opposite is None else round(1 / Decimal(opposite), 12)


def _value(visible: Sequence[Event], kind: str, key: str | None, name: str, day: date) -> Value:
    """What holds on the day: the entry with the latest start, of several the one that was said last."""
    holding = [
        event
        for event in visible
        if event.kind == kind and event.id == key and name in event.fields and (event.since or date.min) <= day
    ]
    return max(holding, key=lambda event: (event.since or date.min, event.stamp)).fields[name] if holding else None
