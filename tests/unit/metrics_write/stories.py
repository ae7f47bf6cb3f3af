"""Random stories: what sources may say about deals, documents, payments and the reference data around them.

Everything that the contracts let through may come, also what contradicts itself, in any order of learning.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from shared.kernel.journal import Assertion, Journal, Stamp, Value, merge
from shared.kernel.period import Calendar
from shared.sales.company import DEFAULT_STAGES, Company, Pipelines
from shared.sales.references import Key, References

START = date(2026, 3, 1)
COMPANY = Company(
    Calendar(ZoneInfo("Asia/Shanghai"), 4),
    "CNY",
    Pipelines({"default": DEFAULT_STAGES, "partners": ("first-talk", "trial")}),
    START + timedelta(days=3),
)
Fields = Mapping[str, Value]


class Told(NamedTuple):
    """One event."""

    key: Key
    assertion: Assertion

    @property
    def is_reference(self) -> bool:
        return self.key.kind in _REFERENCES


days = st.integers(0, 14).map(lambda number: START + timedelta(days=number))
_days_said = days.map(date.isoformat)
_currencies = st.sampled_from(["CNY", "CNY", "USD", "EUR"])
_numbers = st.sampled_from(["0", "1", "7.5", "100", "1234.56", "0.000001"])
_moneys = st.fixed_dictionaries({"amount": _numbers, "currency": _currencies})
_positive = st.fixed_dictionaries({"amount": _numbers.filter(lambda number: number != "0"), "currency": _currencies})
_products = st.sampled_from(["bolt", "nut"])
_members = st.sampled_from(["ann", "bo"])
_units = st.sampled_from(["north", "south", "east"])
_customers = st.sampled_from(["acme", "zeta", "old-acme"])
_quantities = st.sampled_from(["0", "1", "2.5", "-1"])


def _some(**fields: st.SearchStrategy[Value]) -> st.SearchStrategy[Fields]:
    """Each field is said, cleared or left unsaid."""
    return st.fixed_dictionaries({}, optional={name: st.none() | value for name, value in fields.items()})


def _entries(entry: st.SearchStrategy[Value]) -> st.SearchStrategy[Value]:
    return st.dictionaries(st.sampled_from(["1", "2"]), st.none() | entry, max_size=2)


_document = {"customer_id": _customers, "owner_id": _members, "channel_id": st.just("web")}
_lines = _entries(
    _some(
        product_id=_products, quantity=_quantities, unit=st.sampled_from(["piece", "box"]), net=_moneys, tax=_moneys,
        unit_price=_moneys, discount=_moneys,
    )
)  # fmt: skip
_billing = _some(
    **_document, issued_on=_days_said, net=_moneys, tax=_moneys, gross=_moneys, lines=_lines,
    reason=st.sampled_from(["return", "allowance", "correction"]),
)  # fmt: skip
_stages = st.sampled_from([*DEFAULT_STAGES[:3], "won", "won", "lost", "Angebot", "first-talk", "trial", "what"])

_ENTITIES: Mapping[str, st.SearchStrategy[Fields]] = {
    "deal": _some(
        stage=_stages, amount=_moneys, product_id=_products, quantity=_quantities, owner_id=_members,
        customer_id=_customers, created_on=_days_said, pipeline_id=st.sampled_from(["default", "partners", "none"]),
    ),
    "order": _some(
        **_document, ordered_on=_days_said, lines=_lines,
        status=st.sampled_from(["draft", "confirmed", "fulfilled", "cancelled"]),
    ),
    "shipment": _some(**_document, shipped_on=_days_said, lines=_lines),
    "return": _some(**_document, returned_on=_days_said, lines=_lines),
    "invoice": _billing,
    "credit-note": _billing,
    "payment": _some(
        **_document, amount=_positive, received_on=_days_said, cleared_on=_days_said, reversed_on=_days_said,
        kind=st.sampled_from(["receipt", "refund"]), instrument=st.sampled_from(["bill", "card", "letter_of_credit"]),
        allocations=_entries(_moneys),
    ),
}  # fmt: skip
_REFERENCES: Mapping[str, tuple[st.SearchStrategy[str], st.SearchStrategy[Fields]]] = {
    "member": (_members, _some(unit_id=_units)),
    "organisation-unit": (
        _units,
        _some(kind=st.sampled_from(["team", "region", "other"]), parent_id=_units, manager_id=_members),
    ),
    "customer": (
        _customers,
        _some(sector=st.sampled_from(["retail", "tech"]), related_party=st.booleans(), owner_id=_members),
    ),
    "product": (
        _products,
        _some(
            category=st.sampled_from(["iron", "steel"]), price=_moneys, cost=_moneys, unit=st.just("piece"),
            conversions=st.dictionaries(st.just("box"), st.fixed_dictionaries({"factor": st.just("12")})),
        ),
    ),
    "exchange-rate": (
        st.sampled_from(["spot:USD/CNY", "spot:CNY/EUR", "spot:EUR/CNY"]),
        _some(rate=st.sampled_from(["7.1", "0.13", "3"])),
    ),
    "alias": (st.just("customer:old-acme"), _some(into_id=st.just("acme"))),
    "stage-map": (
        st.sampled_from(["crm#default", "crm#partners"]),
        _some(stages=st.sampled_from(["proposal-negotiation", "trial"]).map(lambda one: {"Angebot": {"stage": one}})),
    ),
}  # fmt: skip

KINDS = tuple(_ENTITIES)


@st.composite
def _stamps(draw: st.DrawFn, event: str) -> Stamp:
    occurred = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(hours=draw(st.integers(0, 14 * 24)))
    return Stamp(occurred, draw(st.integers(0, 1)), draw(st.sampled_from(["crm", "crm", "erp"])), event)


@st.composite
def entity_events(draw: st.DrawFn, kind: str, event: str) -> Told:
    said = draw(_ENTITIES[kind])
    ended = draw(st.sampled_from([None] * 8 + [True, False]))
    key = Key(kind, draw(st.sampled_from(["A", "A", "B"])))
    return Told(key, Assertion(draw(_stamps(event)), draw(days), said, ended))


@st.composite
def reference_events(draw: st.DrawFn, event: str, kinds: Sequence[str]) -> Told:
    kind = draw(st.sampled_from(kinds))
    ids, fields = _REFERENCES[kind]
    since = draw(st.none() | days)
    return Told(Key(kind, draw(ids)), Assertion(draw(_stamps(event)), draw(days), draw(fields), None, since))


@st.composite
def stories(draw: st.DrawFn, *kinds: str, about: Sequence[str] = tuple(_REFERENCES)) -> list[Told]:
    """Up to six events about entities of these kinds, up to five about reference data, and some read anew."""
    chosen = [draw(st.sampled_from(kinds)) for _ in range(draw(st.integers(1, 6)))]
    told = [draw(entity_events(kind, f"entity-{number}")) for number, kind in enumerate(chosen)]
    told += [draw(reference_events(f"reference-{number}", about)) for number in range(draw(st.integers(0, 5)))]
    return told + [draw(_revisions(event)) for event in told if draw(st.integers(0, 5)) == 0]


@st.composite
def _revisions(draw: st.DrawFn, event: Told) -> Told:
    """A mended adapter has read the event's bytes anew."""
    kind, stamp = event.key.kind, event.assertion.stamp
    fields = draw(_ENTITIES[kind] if kind in _ENTITIES else _REFERENCES[kind][1])
    read_anew = replace(event.assertion, stamp=stamp, said=fields, revision=1, known_on=draw(days))
    return event._replace(assertion=read_anew)


@st.composite
def of_a_product(draw: st.DrawFn, kind: str, said: Fields) -> list[Told]:
    """A story in which an entity has surely said this, about a `bolt` that has a unit and prices that change."""
    opening = Told(Key(kind, "A"), Assertion(draw(_stamps("said")), START, said))
    prices = draw(st.lists(st.tuples(_positive, st.none() | days), min_size=1, max_size=3))
    bolt = [_of_bolt(f"price-{number}", price, since) for number, (price, since) in enumerate(prices)]
    return [opening, *bolt, *draw(stories(kind, about=["product"]))]


def _of_bolt(event: str, price: Value, since: date | None) -> Told:
    stamp = Stamp(datetime(2026, 3, 1, tzinfo=UTC), 0, "erp", event)
    return Told(Key("product", "bolt"), Assertion(stamp, START, {"unit": "piece", "price": price}, None, since))


def reference_data(story: list[Told]) -> References:
    """All that the story tells of reference data."""
    return References(_journals(event for event in story if event.is_reference))


def journals(story: list[Told]) -> dict[Key, Journal]:
    """The journals of all other entities."""
    return _journals(event for event in story if not event.is_reference)


def _journals(events: Iterable[Told]) -> dict[Key, Journal]:
    found: dict[Key, Journal] = {}
    for event in events:
        found[event.key] = merge(found.get(event.key, ()), [event.assertion])
    return found
