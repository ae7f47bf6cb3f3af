"""A deal's life as rectangles: what was true of it over an interval of time, as known over an interval of days.

They tile, without overlap, everything between a deal's first state and for ever, on every day since it was known.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple

from services.pipeline.domain.stages import Entry, entries, midnight, outcome_of
from shared.kernel.journal import Assertion, Journal
from shared.kernel.money import EXACT, Money
from shared.sales import lookup
from shared.sales.company import Company
from shared.sales.deal import DealState, created_on, deal_life, deal_value
from shared.sales.references import Key, References, View
from shared.sales.timeline import as_learned


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


class Slice(NamedTuple):
    """What is true from `start` (inclusive) until `end` (exclusive; None: for ever).

    Both are the same instant for a stage that a deal passed through in no time.
    """

    start: datetime
    end: datetime | None
    facts: Facts


class Rectangle(NamedTuple):
    """A slice, and the business dates on which it was known: `known_until` is exclusive, None if it still is."""

    known_from: date
    known_until: date | None
    slice: Slice


@dataclass(frozen=True, slots=True)
class History:
    """Everything that was ever known of one deal, and the reference keys on which that depends."""

    rectangles: tuple[Rectangle, ...]
    asked: frozenset[Key]


class _Place(NamedTuple):
    """What may change within a state, because reference data do."""

    seat: lookup.Seat
    customer: str | None
    category: str | None


class _State(NamedTuple):
    """One state and what else of its deal its facts tell."""

    state: DealState
    entry: Entry
    born: date

    def key(self) -> tuple[object, ...]:
        """All that its facts depend on, reference data aside."""
        state = self.state
        return state.since, state.pipeline, state.stage, state.alive, state.said.fields, self.entry, self.born


class _Piece(NamedTuple):
    """One state as if it lasted for ever, and until which day of learning it need not be read again."""

    key: tuple[object, ...]
    starts: tuple[tuple[datetime, Facts], ...]
    """From each instant on these facts hold."""
    asked: set[Key]
    learned: date | None


def history(journal: Journal, references: References, company: Company) -> History:
    """All rectangles of a deal. Pure: the same journal and references give the same ones."""
    cutter = _Cutter(references, company)
    asked: set[Key] = set()
    known_since: dict[Slice, date] = {}
    rectangles: list[Rectangle] = []
    for view, slices in as_learned(journal, references, cutter.slices):
        asked |= view.asked
        now = {one: known_since.get(one, view.known) for one in slices}
        rectangles += [Rectangle(since, view.known, one) for one, since in known_since.items() if one not in now]
        known_since = now
    rectangles += [Rectangle(since, None, one) for one, since in known_since.items()]
    return History(tuple(rectangles), frozenset(asked))


class _Cutter:
    """Cuts lives of one deal into slices. A state that reads the same on several days of learning is read once."""

    def __init__(self, references: References, company: Company) -> None:
        self._references = references
        self._company = company
        self._pieces: dict[tuple[str, str], _Piece] = {}
        """By the identity of the event that began the state."""

    def slices(self, assertions: Sequence[Assertion], view: View) -> list[Slice]:
        """The life as known on the view's day, equal neighbours merged."""
        life = deal_life(assertions, view, self._company)
        entered = entries(assertions, life)
        born = created_on(life)
        merged: list[Slice] = []
        for index, state in enumerate(life):
            following = life[index + 1] if index + 1 < len(life) else None
            if following is not None and _is_hidden(state, following, entered[index], entered[index + 1]):
                continue
            piece = self._piece(assertions[index].identity, _State(state, entered[index], born), view)
            for one in _until(piece.starts, following.since if following else None):
                _append(merged, one)
        return merged

    def _piece(self, identity: tuple[str, str], state: _State, view: View) -> _Piece:
        key = state.key()
        piece = self._pieces.get(identity)
        if piece is None or piece.key != key or (piece.learned is not None and piece.learned <= view.known):
            own = View(self._references, view.known)
            piece = _Piece(key, tuple(_starts(state, own, self._company)), own.asked, own.learned)
            self._pieces[identity] = piece
        view.asked |= piece.asked
        if piece.learned is not None:
            view.learned = piece.learned if view.learned is None else min(view.learned, piece.learned)
        return piece


def _is_hidden(state: DealState, following: DealState, entry: Entry, following_entry: Entry) -> bool:
    """Whether a state lasted no time and was not even a visit to a stage: the next one holds from the same instant."""
    return state.since == following.since and not (entry.at == state.since and entry != following_entry)


def _append(merged: list[Slice], one: Slice) -> None:
    last = merged[-1] if merged else None
    if last is not None and last.end == one.start and last.facts == one.facts:
        merged[-1] = Slice(last.start, one.end, last.facts)
    else:
        merged.append(one)


def _until(starts: Sequence[tuple[datetime, Facts]], end: datetime | None) -> Iterator[Slice]:
    """The slices of a state that ends there, or in the instant in which it began."""
    if end == starts[0][0]:
        yield Slice(end, end, starts[0][1])
        return
    for index, (start, facts) in enumerate(starts):
        stop = starts[index + 1][0] if index + 1 < len(starts) else None
        if stop is None or (end is not None and end < stop):
            stop = end
        if stop is None or start < stop:  # the state ended before, or a clock change has swallowed the whole day
            yield Slice(start, stop, facts)


def _starts(state: _State, view: View, company: Company) -> Iterator[tuple[datetime, Facts]]:
    """A state, cut at the midnights from which its team, customer or category is another one."""
    facts = _facts(state, view, company)
    lived = state.state

    def place(day: date) -> _Place:
        return _place(lived, view, day)

    for first, _, where in view.stretches(place, lived.day, date.max):
        yield (lived.since if first == lived.day else midnight(company.calendar, first)), facts(where)


def _place(state: DealState, view: View, day: date) -> _Place:
    said = state.said
    seat = lookup.seat_of(view, said.text("owner_id"), day)
    customer = lookup.buyer_of(view, said.text("customer_id"), day).customer
    return _Place(seat, customer, lookup.category_of(view, said.text("product_id"), day))


def _facts(whole: _State, view: View, company: Company) -> Callable[[_Place], Facts]:
    """Everything that holds for the whole state; what is left to say is the place."""
    state, said = whole.state, whole.state.said
    value = deal_value(state, view)
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
            created_on=whole.born,
            entered_stage_at=whole.entry.at,
            entered_sequence=whole.entry.sequence,
            entered_source=whole.entry.source,
            entered_event_id=whole.entry.event_id,
            entered_known_on=whole.entry.known_on,
        )

    return at


def _base_value(money: Money, view: View, company: Company, day: date) -> Decimal | None:
    rate = lookup.rate_of(view, money.currency, company.base_currency, day)
    return None if rate is None else EXACT.multiply(money.amount, rate)
