"""What may happen in the miniature company, for hypothesis to choose from."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone

from hypothesis import strategies as st

from shared.kernel.journal import Value
from tests.unit.sales.events import Event

START = datetime(2026, 3, 1, tzinfo=UTC)
days = st.integers(0, 12).map(lambda number: START.date() + timedelta(days=number))
sinces = st.none() | days
money = st.builds(
    lambda cents, currency: {"amount": f"{cents // 100}.{cents % 100:02}", "currency": currency},
    st.integers(0, 10_000),
    st.sampled_from(["EUR", "USD"]),
)
deal_fields = st.fixed_dictionaries(
    {},
    optional={
        "stage": st.sampled_from([None, "qualification", "proposal", "won", "won", "lost"]),
        "amount": st.none() | money,
        "owner_id": st.sampled_from([None, "ann", "bo"]),
        "product_id": st.sampled_from([None, "lamp"]),
    },
)


@st.composite
def instants(draw: st.DrawFn) -> datetime:
    zone = timezone(timedelta(hours=draw(st.integers(-11, 11))))
    return (START + timedelta(hours=draw(st.integers(0, 200)))).astimezone(zone)


@st.composite
def deal_events(draw: st.DrawFn, event_id: str) -> Event:
    return Event(
        "deal",
        draw(st.sampled_from(["d1", "d2"])),
        event_id,
        draw(instants()),
        draw(days),
        draw(deal_fields),
        draw(st.sampled_from([None] * 8 + [True, False])),
        source=draw(st.sampled_from(["/crm", "/erp"])),
    )


@st.composite
def reference_events(draw: st.DrawFn, event_id: str, of: str | None = None) -> Event:
    kind, key, said = draw(st.sampled_from([one for one in _SAID if of in (None, one[1])]))
    return Event(kind, key, event_id, draw(instants()), draw(days), draw(said), since=draw(sinces))


def _always(name: str, *values: Value) -> st.SearchStrategy[dict[str, Value]]:
    return st.sampled_from(values).map(lambda value: {name: value})


_SAID: Sequence[tuple[str, str, st.SearchStrategy[dict[str, Value]]]] = (
    ("member", "ann", _always("unit_id", "north", "south", None)),
    ("member", "bo", _always("unit_id", "north", "south")),
    ("exchange-rate", "spot:USD/EUR", _always("rate", "0.9", "0.8", None)),
    ("exchange-rate", "spot:EUR/USD", _always("rate", "1.1", "1.3")),
    ("product", "lamp", (st.none() | money).map(lambda price: {"price": price})),
)


@st.composite
def stories(draw: st.DrawFn) -> list[Event]:
    """Some events of two deals and some reference data; some of them read anew later by a mended adapter."""
    told = [draw(deal_events(f"deal-{n}")) for n in range(draw(st.integers(1, 6)))]
    told += [draw(reference_events(f"reference-{n}")) for n in range(draw(st.integers(0, 4)))]
    for event in draw(st.lists(st.sampled_from(told), unique_by=id, max_size=2)):
        other = draw(deal_events(event.event_id) if event.is_deal else reference_events(event.event_id, event.id))
        known_on = max(event.known_on, other.known_on)  # learned no sooner
        told.append(replace(other, id=event.id, source=event.source, known_on=known_on, revision=1))
    return told


def learned_by(story: Sequence[Event], known_at: date) -> list[Event]:
    """What had been told by the evening of a day."""
    return [event for event in story if event.known_on <= known_at]
