"""Deals and reference data as a source might tell them, drawn by hypothesis, and a company to read them with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from shared.kernel.journal import Assertion, Journal, Stamp, Value, merge
from shared.kernel.period import Calendar
from shared.sales.company import Company, Pipelines
from shared.sales.references import Key, References

START = datetime(2026, 3, 26, tzinfo=UTC)
"""Clocks change in the zones below within the days of these stories."""
DAYS = 9
ZONES = ("UTC", "Asia/Shanghai", "America/New_York", "Europe/Berlin", "Pacific/Auckland", "America/Santiago")

dates = st.integers(0, DAYS).map(lambda number: START.date() + timedelta(days=number))
instants = st.integers(-6, DAYS * 24).map(lambda hours: START + timedelta(hours=hours))
zones = st.sampled_from(ZONES)

Told = tuple[Key, Assertion]


@dataclass(frozen=True)
class Story:
    """What was said about one deal, and about everything that it is read with."""

    deal: tuple[Assertion, ...]
    references: tuple[Told, ...]

    @property
    def journal(self) -> Journal:
        return merge((), self.deal)


def company(zone: str = "UTC") -> Company:
    """Two pipelines, dollars."""
    stages = {"default": ("prospecting", "qualification", "proposal"), "renewals": ("notice", "proposal")}
    return Company(Calendar(ZoneInfo(zone)), "USD", Pipelines(stages), date(2026, 1, 1))


def references(told: Sequence[Told]) -> References:
    """The references as a partition's worker would hold them."""
    journals: dict[Key, Journal] = {}
    for key, said in told:
        journals[key] = merge(journals.get(key, ()), [said])
    return References(journals)


def _maybe(values: st.SearchStrategy[Value]) -> st.SearchStrategy[Value]:
    return st.none() | values


_FIELDS: Mapping[str, st.SearchStrategy[Value]] = {
    "stage": st.sampled_from(["prospecting", "qualification", "Angebot", "won", "lost", "nobody knows"]),
    "amount": _maybe(
        st.builds(
            lambda amount, currency: {"amount": str(amount), "currency": currency},
            st.sampled_from(["0", "10", "99.5"]),
            st.sampled_from(["USD", "EUR"]),
        )
    ),
    "pipeline_id": st.sampled_from(["default", "renewals", "unheard-of"]),
    "owner_id": _maybe(st.sampled_from(["ann", "bo"])),
    "customer_id": _maybe(st.sampled_from(["acme", "zeta"])),
    "product_id": st.sampled_from(["bolt", "nut"]),
    "quantity": _maybe(st.sampled_from(["2", "0.5"])),
    "title": st.sampled_from(["A", "B"]),
    "created_on": _maybe(dates.map(date.isoformat)),
    "expected_close_on": _maybe(dates.map(date.isoformat)),
}


@st.composite
def deal_assertions(draw: st.DrawFn, event_id: str) -> Assertion:
    names = draw(st.sets(st.sampled_from(sorted(_FIELDS)), max_size=4))
    return Assertion(
        Stamp(draw(instants), draw(st.integers(0, 1)), draw(st.sampled_from(["/crm", "/erp"])), event_id),
        draw(dates),
        {name: draw(_FIELDS[name]) for name in sorted(names)},
        draw(st.sampled_from([None] * 8 + [True, False])),
        revision=draw(st.sampled_from([0, 0, 0, 1])),
    )


_REFERENCES: Mapping[Key, st.SearchStrategy[Mapping[str, Value]]] = {
    Key("member", "ann"): st.fixed_dictionaries({"unit_id": _maybe(st.sampled_from(["north", "south"]))}),
    Key("member", "bo"): st.fixed_dictionaries({"unit_id": st.sampled_from(["north", "south"])}),
    Key("organisation-unit", "north"): st.fixed_dictionaries(
        {"kind": st.just("team"), "parent_id": st.sampled_from(["emea", "apac"]), "manager_id": st.just("max")}
    ),
    Key("organisation-unit", "emea"): st.fixed_dictionaries({"kind": st.sampled_from(["region", "other"])}),
    Key("product", "bolt"): st.fixed_dictionaries(
        {
            "price": st.sampled_from([{"amount": "3", "currency": "USD"}, {"amount": "2", "currency": "EUR"}, None]),
            "category": st.sampled_from(["metal", "small"]),
        }
    ),
    Key("exchange-rate", "spot:EUR/USD"): st.fixed_dictionaries({"rate": st.sampled_from(["1.25", "2"])}),
    Key("exchange-rate", "spot:USD/EUR"): st.fixed_dictionaries({"rate": st.sampled_from(["0.5", "0.3"])}),
    Key("alias", "customer:zeta"): st.fixed_dictionaries({"into_id": st.sampled_from(["acme", None])}),
    Key("stage-map", "/crm#default"): st.fixed_dictionaries(
        {"stages": st.fixed_dictionaries({"Angebot": st.sampled_from([{"stage": "proposal"}, {"stage": "won"}])})}
    ),
}


@st.composite
def reference_assertions(draw: st.DrawFn, event_id: str) -> Told:
    key = draw(st.sampled_from(sorted(_REFERENCES)))
    said = Assertion(
        Stamp(draw(instants), 0, "/hr", event_id),
        draw(dates),
        draw(_REFERENCES[key]),
        since=draw(st.none() | dates),
        revision=draw(st.sampled_from([0, 0, 1])),
    )
    return key, said


_READ_WITH_REFERENCES: Mapping[str, Value] = {"owner_id": "ann", "product_id": "bolt", "customer_id": "zeta"}
"""Said first, so that most of what the references tell matters to most deals."""


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """Some events bear the same identity with another revision, as a mended adapter would send them."""
    deal = [draw(deal_assertions(f"deal-{number}")) for number in range(draw(st.integers(1, 6)))]
    deal[0] = replace(deal[0], said={**_READ_WITH_REFERENCES, **deal[0].said})
    if draw(st.booleans()):
        deal.append(_again(draw(deal_assertions("again")), deal[0]))
    told = [draw(reference_assertions(f"reference-{number}")) for number in range(draw(st.integers(0, 6)))]
    return Story(tuple(deal), tuple(told))


def _again(content: Assertion, first: Assertion) -> Assertion:
    """A higher revision of the first event with other content."""
    return Assertion(
        Stamp(content.stamp.occurred_at, content.stamp.sequence, first.stamp.source, first.stamp.event_id),
        content.known_on,
        content.said,
        content.ended,
        revision=2,
    )
