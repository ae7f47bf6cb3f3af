"""The company as the accepted events tell it, replayed in plain Python: what happened, and what stood on an evening.

Nothing is posted, reversed or remembered: each question reads all that was known by then. No code of the services is
used.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from fractions import Fraction
from functools import partial
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

STAGES = ("prospecting", "qualification", "needs-analysis", "solution-presentation", "proposal-negotiation")
FIRST, LAST = date(1, 1, 1), date(2199, 12, 31)
COLLECTIONS = ("lines", "allocations")
Text = str | None


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
    data: Mapping[str, Any]


class Fact(NamedTuple):
    """Something that happened on a day, or stood on an evening, under its dimensions."""

    name: str
    day: date
    under: Mapping[str, Text]
    value: Fraction | None = None
    """In base currency; None if it is not known."""
    original: Fraction = Fraction(0)
    cost: Fraction = Fraction(0)
    quantity: Fraction = Fraction(0)
    days: int = 0
    sign: int = 1


class State(NamedTuple):
    """What is said of an entity after one event."""

    day: date
    said: Mapping[str, Any]
    sources: Mapping[str, str]
    ended: bool
    stage: str = ""


class Company:
    """Everything as known at the end of one business day."""

    def __init__(self, events: Iterable[Event], known_at: date, zone: str = "UTC", base: str = "USD") -> None:
        self.zone, self.base = ZoneInfo(zone), base
        newest: dict[tuple[str, str], Event] = {}
        for one in sorted(events, key=lambda e: e.revision):
            if one.known_on <= known_at:
                newest[one.source, one.id] = one
        self.said = defaultdict[tuple[str, str], list[Event]](list)
        for one in sorted(newest.values(), key=lambda e: (e.at, e.sequence, e.source, e.id)):
            self.said[one.entity, one.subject].append(one)

    def ref(self, kind: str, key: Text, day: date, *path: str) -> Any:
        """A dated value: of those that hold since the latest date up to `day`, the last one said."""
        said = [e for e in self.said.get((kind, key or ""), ()) if _since(e) <= day]
        found = None
        for event in sorted(said, key=_since):
            node: Any = event.data
            for step in path:
                if step not in node:
                    break
                node = node[step]
                if node is None:
                    found = None
                    break
            else:
                found = node
        return found

    def life(self, kind: str, key: str) -> list[State]:
        """The states of one entity, each field by its last writer."""
        states: list[State] = []
        said: dict[str, Any] = {}
        sources: dict[str, str] = {}
        ended = False
        for event in self.said[kind, key]:
            for name, value in event.data.items():
                said = said | {name: _merged(said.get(name), value) if name in COLLECTIONS else value}
                sources = sources | {name: event.source}
            ended = event.data.get("ended", ended)
            state = State(event.at.astimezone(self.zone).date(), said, sources, ended)
            states.append(state._replace(stage=self.stage(state)) if kind == "deal" else state)
        return states

    def stage(self, state: State) -> str:
        """The canonical stage of a deal: by the map of the source that said it, as of the day of the state."""
        label = state.said.get("stage")
        if label is None:
            return STAGES[0]
        chart = f"{state.sources['stage']}#{state.said.get('pipeline_id') or 'default'}"
        stage = self.ref("stage-map", chart, state.day, "stages", label, "stage") or label
        return stage if stage in (*STAGES, "won", "lost") else "unmapped"

    def worth(self, money: Mapping[str, Any] | None, day: date, times: Fraction = Fraction(1)) -> Fraction | None:
        """In base currency at the rate of the day; None without an amount or a rate."""
        if money is None:
            return None
        amount, currency = Fraction(money["amount"]) * times, money["currency"]
        if currency == self.base:
            return amount
        if direct := self.ref("exchange-rate", f"spot:{currency}/{self.base}", day, "rate"):
            return amount * Fraction(direct)
        opposite = self.ref("exchange-rate", f"spot:{self.base}/{currency}", day, "rate")
        return amount * round(1 / Fraction(opposite), 12) if opposite else None

    def under(self, said: Mapping[str, Any], day: date, *, document: bool = False) -> dict[str, Text]:
        """Who and where, with the team, region and sector of that day; a document falls back on its customer's."""
        customer, team, manager, region = said.get("customer_id"), None, None, None
        while into := self.ref("alias", f"customer:{customer}", day, "into_id"):
            customer = into
        of_customer = partial(self.ref, "customer", customer, day)
        member = said.get("owner_id") or (of_customer("owner_id") if document else None)
        channel = said.get("channel_id") or (of_customer("channel_id") if document else None)
        unit = self.ref("member", member, day, "unit_id")
        while unit and not region:
            kind = self.ref("organisation-unit", unit, day, "kind")
            if kind == "team" and team is None:
                team, manager = unit, self.ref("organisation-unit", unit, day, "manager_id")
            region = unit if kind == "region" else None
            unit = self.ref("organisation-unit", unit, day, "parent_id")
        product = said.get("product_id")
        return {
            "member": member, "team": team, "manager": manager, "region": region, "customer": customer,
            "sector": of_customer("sector"), "related": "yes" if of_customer("related_party") else None,
            "channel": channel, "business_line": said.get("business_line"),
            "product": product, "category": self.ref("product", product, day, "category"),
        }  # fmt: skip


def _since(event: Event) -> date:
    return date.fromisoformat(event.data.get("since") or "0001-01-01")


def _merged(before: Any, said: Any) -> dict[str, Any]:
    """Entries merge field by field under their own id; null removes one, or all."""
    entries = dict(before or {}) if said is not None else {}
    for key, entry in (said or {}).items():
        entries[key] = None if entry is None else {**(entries.get(key) or {}), **entry}
    return {key: entry for key, entry in entries.items() if entry is not None}
