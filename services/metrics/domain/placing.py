"""Where a fact stands and what it is worth on its business day. Each question is looked up once for one view."""

from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal
from functools import partial
from typing import NamedTuple

from shared.kernel.money import Money
from shared.sales import lookup
from shared.sales.company import Company
from shared.sales.lookup import Buyer, Seat
from shared.sales.references import Key, View

ZERO = Decimal(0)


class Worth(NamedTuple):
    """One amount as a ledger holds it: base, constant and original; what has no rate is counted and stands as zero."""

    value: Decimal
    constant: Decimal
    original: Decimal
    unconverted: int
    unconverted_constant: int


_worth = partial(tuple.__new__, Worth)
"""Of its values in order: half as slow as to call the class."""

NOTHING = Worth(ZERO, ZERO, ZERO, 0, 0)


Named = tuple[str | None, str | None, str | None]
"""A member, a customer and a product."""
Where = tuple[Seat, Buyer, str | None]
"""Of these: the product's category."""


class Whereabouts:
    """Where these three stand from a day on, found stretch by stretch, as far as somebody asks."""

    __slots__ = ("_found", "_more")

    def __init__(self, stretches: Iterator[tuple[date, date, Where]]) -> None:
        self._more = stretches
        self._found: list[tuple[date, date, Where]] = []

    def over(self, start: date, end: date) -> Iterable[tuple[date, date, Where]]:
        """[start, end) cut where they move."""
        found = self._found
        while not found or found[-1][1] < end:
            found.append(next(self._more))
        for begun, stop, where in found:  # mostly they do not move at all
            if begun <= start and end <= stop:
                return ((start, end, where),)
        return [
            (max(begun, start), min(stop, end), where) for begun, stop, where in found if begun < end and start < stop
        ]

    def found(self, day: date) -> tuple[date, date, Where] | None:
        """The stretch in which a day lies; None if that was not asked."""
        for stretch in self._found:
            if stretch[0] <= day < stretch[1]:
                return stretch
        return None


def _where(view: View, named: Named, day: date) -> Where:
    """Asked anew on each day, so that the view sees the question."""
    member, customer, product = named
    return (
        lookup.seat_of(view, member, day),
        lookup.buyer_of(view, customer, day),
        lookup.category_of(view, product, day),
    )


class Places:
    """The company's reference data as one view knows them."""

    __slots__ = ("_buyers", "_categories", "_seats", "_whereabouts", "company", "view")

    def __init__(self, view: View, company: Company) -> None:
        self.view = view
        self.company = company
        self._seats: dict[tuple[str | None, date], Seat] = {}
        self._buyers: dict[tuple[str | None, date], Buyer] = {}
        self._categories: dict[tuple[str | None, date], str | None] = {}
        self._whereabouts: dict[Named, Whereabouts] = {}

    def seat(self, member: str | None, day: date) -> Seat:
        """The member's place in the organisation."""
        found = self._seats.get((member, day))
        if found is None:
            found = self._seats[member, day] = lookup.seat_of(self.view, member, day)
        return found

    def buyer(self, customer: str | None, day: date) -> Buyer:
        """The customer after merges."""
        found = self._buyers.get((customer, day))
        if found is None:
            found = self._buyers[customer, day] = lookup.buyer_of(self.view, customer, day)
        return found

    def category(self, product: str | None, day: date) -> str | None:
        """The product's category."""
        key = (product, day)
        if key not in self._categories:
            self._categories[key] = lookup.category_of(self.view, product, day)
        return self._categories[key]

    def whereabouts(self, named: Named, start: date) -> Whereabouts:
        """Where these stand; `start` is no later than any day that is asked of them here."""
        found = self._whereabouts.get(named)
        if found is None:
            stretches = self.view.stretches(partial(_where, self.view, named), start, date.max)
            found = self._whereabouts[named] = Whereabouts(stretches)
        return found

    def where(self, named: Named, day: date) -> tuple[date, date, Where]:
        """The same on one day, and from when until when that is known to hold."""
        whereabouts = self._whereabouts.get(named)
        if whereabouts is not None and (found := whereabouts.found(day)) is not None:
            return found
        member, customer, product = named
        return day, day, (self.seat(member, day), self.buyer(customer, day), self.category(product, day))

    def worth(self, amount: Money, day: date) -> Worth:
        """An amount at the rate of the day and at the constant rate."""
        if amount.currency == self.company.base_currency:
            return _worth((amount.amount, amount.amount, amount.amount, 0, 0))
        said = lookup.converted(self.view, amount, self.company, day)
        return Worth(
            ZERO if said.base is None else said.base,
            ZERO if said.constant is None else said.constant,
            amount.amount,
            int(said.base is None),
            int(said.constant is None),
        )

    def responsible(self, owner: str | None, customer: str | None, day: date) -> str | None:
        """Who answers for a document: whom it names, else whoever answers for its customer on that day."""
        if owner is not None or customer is None:
            return owner
        return self.view.text(Key("customer", customer), "owner_id", day)

    def channel(self, channel: str | None, customer: str | None, day: date) -> str | None:
        """The channel of a document: the one it names, else its customer's on that day."""
        if channel is not None or customer is None:
            return channel
        return self.view.text(Key("customer", customer), "channel_id", day)
