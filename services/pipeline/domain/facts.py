"""What is true of a deal in one state: what was said, and what the references say to it."""

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple

from services.pipeline.domain.stages import Entry, Run, midnight, outcome_of, run_of
from shared.kernel.journal import Assertion, states
from shared.kernel.money import EXACT, Money
from shared.sales import lookup
from shared.sales.company import Company
from shared.sales.deal import COLLECTIONS, DealState, deal_value
from shared.sales.references import View


class Facts(NamedTuple):
    """What is true of a deal, in the order of the columns of its table."""

    pipeline: str
    stage: str
    outcome: str
    amount: Decimal | None
    """As said, else by the price list on the day of the state; None if neither says."""
    currency: str | None
    base_value: Decimal | None
    """`amount` in base currency at the rate of the state's day; None if there is no amount or no rate yet."""
    estimated: bool
    owner_id: str | None
    team: str | None
    manager: str | None
    region: str | None
    customer_id: str | None
    """The id that survives merges."""
    product_id: str | None
    category: str | None
    channel_id: str | None
    business_line: str | None
    expected_close_on: date | None
    title: str | None
    created_on: date
    entered_stage_at: datetime
    entered_sequence: int
    entered_source: str
    entered_event_id: str
    entered_known_on: date


class _Place(NamedTuple):
    """What may change within a state, because reference data do."""

    seat: lookup.Seat
    customer: str | None
    category: str | None


class Lived(NamedTuple):
    """One state, and the run of one stage to which it belongs."""

    identity: tuple[str, str]
    """Of the event that began the state."""
    state: DealState
    run: Run
    entry: Entry


def entry_of(facts: Facts) -> Entry:
    """How the present run of the stage began."""
    return Entry(
        facts.entered_stage_at,
        facts.entered_sequence,
        facts.entered_source,
        facts.entered_event_id,
        facts.entered_known_on,
    )


def lived_after(before: Lived | None, one: Assertion, state: DealState) -> Lived:
    """The state that this assertion began."""
    run = run_of(state)
    entry = before.entry if before is not None and before.run == run else Entry(*one.stamp, one.known_on)
    return Lived(one.identity, state, run, entry)


def last_lived(assertions: Sequence[Assertion], facts: Facts, company: Company) -> Lived:
    """The last state of a life of these assertions, with these facts at its end."""
    said = states(assertions, COLLECTIONS)[-1]
    state = DealState(said.since, company.calendar.day(said.since), not said.ended, facts.pipeline, facts.stage, said)
    return Lived(assertions[-1].identity, state, run_of(state), entry_of(facts))


def starts_of(lived: Lived, born: date, view: View, company: Company) -> Iterator[tuple[datetime, Facts]]:
    """A state, cut at the midnights from which its team, customer or category is another one."""
    state = lived.state
    facts = _facts(lived, born, view, company)

    def place(day: date) -> _Place:
        return _place(state, view, day)

    for first, _, where in view.stretches(place, state.day, date.max):
        yield (state.since if first == state.day else midnight(company.calendar, first)), facts(where)


def _place(state: DealState, view: View, day: date) -> _Place:
    said = state.said
    seat = lookup.seat_of(view, said.text("owner_id"), day)
    customer = lookup.survivor_of(view, said.text("customer_id"), day)
    return _Place(seat, customer, lookup.category_of(view, said.text("product_id"), day))


def _facts(lived: Lived, born: date, view: View, company: Company) -> Callable[[_Place], Facts]:
    """Everything that holds for the whole state; what is left to say is the place."""
    state, said, entry = lived.state, lived.state.said, lived.entry
    value = deal_value(state, view, state.day)
    money = value.amount
    base = None if money is None else _base_value(money, view, company, state.day)

    def at(place: _Place) -> Facts:
        return Facts(
            pipeline=state.pipeline,
            stage=state.stage,
            outcome=outcome_of(state).value,
            amount=money.amount if money else None,
            currency=money.currency if money else None,
            base_value=base,
            estimated=value.estimated,
            owner_id=place.seat.member,
            team=place.seat.team,
            manager=place.seat.manager,
            region=place.seat.region,
            customer_id=place.customer,
            product_id=said.text("product_id"),
            category=place.category,
            channel_id=said.text("channel_id"),
            business_line=said.text("business_line"),
            expected_close_on=lookup.day_of(said.fields.get("expected_close_on")),
            title=said.text("title"),
            created_on=born,
            entered_stage_at=entry.at,
            entered_sequence=entry.sequence,
            entered_source=entry.source,
            entered_event_id=entry.event_id,
            entered_known_on=entry.known_on,
        )

    return at


def _base_value(money: Money, view: View, company: Company, day: date) -> Decimal | None:
    rate = lookup.rate_of(view, money.currency, company.base_currency, day)
    return None if rate is None else EXACT.multiply(money.amount, rate)
