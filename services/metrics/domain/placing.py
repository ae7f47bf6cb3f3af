"""Where a fact stands and what it is worth on its business day. Each question is looked up once for one view."""

from datetime import date
from decimal import Decimal
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


NOTHING = Worth(ZERO, ZERO, ZERO, 0, 0)


class Places:
    """The company's reference data as one view knows them."""

    __slots__ = ("_buyers", "_categories", "_seats", "company", "view")

    def __init__(self, view: View, company: Company) -> None:
        self.view = view
        self.company = company
        self._seats: dict[tuple[str | None, date], Seat] = {}
        self._buyers: dict[tuple[str | None, date], Buyer] = {}
        self._categories: dict[tuple[str | None, date], str | None] = {}

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

    def moving(
        self, member: str | None, customer: str | None, product: str | None, day: date
    ) -> tuple[Seat, Buyer, str | None]:  # fmt: skip
        """The answers that cut a stock into stretches: asked anew on each day, so that the view sees the question."""
        seat = self._seats[member, day] = lookup.seat_of(self.view, member, day)
        buyer = self._buyers[customer, day] = lookup.buyer_of(self.view, customer, day)
        category = self._categories[product, day] = lookup.category_of(self.view, product, day)
        return seat, buyer, category

    def worth(self, amount: Money, day: date) -> Worth:
        """An amount at the rate of the day and at the constant rate."""
        if amount.currency == self.company.base_currency:
            return Worth(amount.amount, amount.amount, amount.amount, 0, 0)
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
