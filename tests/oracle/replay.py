"""The company as the accepted events tell it, replayed in plain Python: who said what, and what held on a day.

Nothing is posted, reversed or remembered: everything is read from all that was known by then. No code of the services
is used.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from fractions import Fraction
from functools import cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

DEFAULT = "default"
STAGES = ("prospecting", "qualification", "needs-analysis", "solution-presentation", "proposal-negotiation")
FIRST, LAST, NEVER = date(1, 1, 1), date(2199, 12, 31), date.max
COLLECTIONS = ("lines", "allocations")
DEEPEST = 12
Text = str | None
Number = Fraction | int
Said = Mapping[str, Any]


class Event(NamedTuple):
    """One revision of an accepted event; `data` are what it says."""

    entity: str
    subject: str
    at: datetime
    sequence: int
    source: str
    id: str
    revision: int
    known_on: date
    data: Said


class Money(NamedTuple):
    """An amount in its own currency."""

    amount: Fraction
    currency: str


class Fact(NamedTuple):
    """Something that happened on a day, or stood on an evening, under its dimensions; `sums` are what it adds."""

    name: str
    day: date
    under: Mapping[str, Text]
    sums: Mapping[str, Number]


class State(NamedTuple):
    """What is said of an entity after one event."""

    day: date
    said: Said
    sources: Mapping[str, str]
    ended: bool


class Company:
    """Everything as known at the end of one business day."""

    def __init__(
        self,
        events: Iterable[Event],
        known_at: date,
        zone: str = "UTC",
        base: str = "USD",
        constant_on: date = date(2026, 1, 1),
        pipelines: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        self.zone, self.base, self.constant_on = ZoneInfo(zone), base, constant_on
        self.pipelines = pipelines or {DEFAULT: STAGES}
        newest: dict[tuple[str, str], Event] = {}
        for one in sorted(events, key=lambda e: e.revision):
            if one.known_on <= known_at:
                newest[one.source, one.id] = one
        self.said = defaultdict[tuple[str, Text], list[Event]](list)
        for one in sorted(newest.values(), key=lambda e: (e.at, e.sequence, e.source, e.id)):
            self.said[one.entity, one.subject].append(one)
        self.history, self.rate = cache(self._history), cache(self._rate)
        self.seat, self.buyer = cache(self._seat), cache(self._buyer)

    def ref(self, kind: str, key: Text, day: date, *path: str) -> Any:
        """A dated value: of those that hold since the latest date up to `day`, the last one said."""
        starts, values = self.history(kind, key, path)
        place = bisect_right(starts, day)
        return values[place - 1] if place else None

    def _history(self, kind: str, key: Text, path: tuple[str, ...]) -> tuple[list[date], list[Any]]:
        told = []
        for event in sorted(self.said.get((kind, key), ()), key=_since):
            node: Any = event.data
            for step in path:
                if step not in node:
                    break
                node = node[step]
                if node is None:
                    told.append((_since(event), None))
                    break
            else:
                told.append((_since(event), node))
        return [since for since, _ in told], [value for _, value in told]

    def life(self, kind: str, key: Text) -> list[State]:
        """The states of one entity, each field by its last writer."""
        states: list[State] = []
        said: dict[str, Any] = {}
        sources: dict[str, str] = {}
        for event in self.said[kind, key]:
            told = {n: _merged(said.get(n), value) if n in COLLECTIONS else value for n, value in event.data.items()}
            said, sources = said | told, sources | dict.fromkeys(told, event.source)
            states.append(State(event.at.astimezone(self.zone).date(), said, sources, said.get("ended") is True))
        return states

    def _rate(self, currency: str, day: date) -> Fraction | None:
        if currency == self.base:
            return Fraction(1)
        if direct := self.ref("exchange-rate", f"spot:{currency}/{self.base}", day, "rate"):
            return Fraction(direct)
        opposite = self.ref("exchange-rate", f"spot:{self.base}/{currency}", day, "rate")
        return round(1 / Fraction(opposite), 12) if opposite else None  # half-even

    def worth(self, money: Money | None, day: date) -> dict[str, Number]:
        """An amount as said, in base currency at the rate of the day, and at the constant rate."""
        if money is None:
            return {"unvalued": 1}
        sums: dict[str, Number] = {"original": money.amount}
        for name, on, without in (("value", day, ""), ("constant", self.constant_on, "_constant")):
            rate = self.rate(money.currency, on) if money.amount else Fraction(1)
            sums |= {"unconverted" + without: 1} if rate is None else {name: money.amount * rate}
        return sums

    def _seat(self, member: Text, day: date) -> dict[str, Text]:
        """The member, the team and its manager, and the nearest region above, on a day."""
        unit, team, manager, region = self.ref("member", member, day, "unit_id"), None, None, None
        for _ in range(DEEPEST):
            kind = self.ref("organisation-unit", unit, day, "kind")
            if kind == "team" and team is None:
                team, manager = unit, self.ref("organisation-unit", unit, day, "manager_id")
            if kind == "region":
                region = unit
                break
            unit = self.ref("organisation-unit", unit, day, "parent_id")
        return {"member": member, "team": team, "manager": manager, "region": region}

    def _buyer(self, customer: Text, day: date) -> dict[str, Text]:
        """The customer after merges, its sector, and whether it is a related party, on a day."""
        for _ in range(DEEPEST):
            customer = self.ref("alias", f"customer:{customer}", day, "into_id") or customer
        sector, related = (self.ref("customer", customer, day, name) for name in ("sector", "related_party"))
        return {"customer": customer, "sector": sector, "related": "yes" if related else None}

    def under(self, said: Said, day: date, *, document: bool = False) -> dict[str, Text]:
        """Who and where, as of the day; a document that names nobody falls back on its customer's owner and channel."""
        buyer = self.buyer(said.get("customer_id"), day)
        member, channel = said.get("owner_id"), said.get("channel_id")
        if document:
            member = member or self.ref("customer", buyer["customer"], day, "owner_id")
            channel = channel or self.ref("customer", buyer["customer"], day, "channel_id")
        product = said.get("product_id")
        goods = {"product": product, "category": self.ref("product", product, day, "category")}
        lines = {"channel": channel, "business_line": said.get("business_line")}
        return {**self.seat(member, day), **buyer, **goods, **lines}


def money(said: Said | None) -> Money | None:
    """An amount that was said."""
    return Money(Fraction(said["amount"]), said["currency"]) if said else None


def day_of(said: Said, name: str) -> date | None:
    """A date that was said."""
    return date.fromisoformat(said[name]) if said.get(name) else None


def _since(event: Event) -> date:
    return day_of(event.data, "since") or FIRST


def _merged(before: Any, said: Any) -> dict[str, Any]:
    """Entries merge field by field under their own id; null removes one, or all."""
    entries = dict(before or {}) if said is not None else {}
    for key, entry in (said or {}).items():
        entries[key] = None if entry is None else {**(entries.get(key) or {}), **entry}
    return {key: entry for key, entry in entries.items() if entry is not None}
