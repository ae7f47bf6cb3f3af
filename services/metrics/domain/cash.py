"""What a payment posts: cash on the day it counts, bills while they are pending, and what the cash settles.

Facts: received, refunded, bill-pending (a stock), applied (one per document), unallocated, on-account. All with tax.
"""

from collections.abc import Iterator, Sequence
from datetime import date

from services.metrics.domain.ledgers import CASH, CashDimensions, CashMeasures
from services.metrics.domain.placing import Places
from shared.kernel.journal import Assertion, State, states
from shared.kernel.ledger import Balance, negated, post
from shared.kernel.money import Money
from shared.sales import lookup
from shared.sales.company import Company
from shared.sales.document import COLLECTIONS
from shared.sales.references import View

_CLEARED = ("bill", "letter_of_credit")
"""Instruments that are a promise until they are cleared."""


def payment_cells(assertions: Sequence[Assertion], view: View, company: Company) -> Balance:
    """A payment counts when it was received; a bill when it is cleared. A reversal takes back what then counted."""
    said = states(assertions, COLLECTIONS)[-1]
    amount = lookup.money(said.fields.get("amount"))
    received = lookup.day_of(said.fields.get("received_on"))
    if said.ended or amount is None or received is None:
        return {}
    payment = _Payment(said, amount, Places(view, company))
    counts, reversed_on = _days(said, received)
    if counts is not None:
        payment.post_cash(counts, reversed_on)
    if said.fields.get("instrument") in _CLEARED and said.fields.get("kind") != "refund":
        payment.post_pending(received, min(counts or date.max, reversed_on or date.max))
    return payment.cells


def _days(said: State, received: date) -> tuple[date | None, date | None]:
    """When the cash counts, if it does, and when it was taken back; no instrument counts that was reversed before."""
    cleared = lookup.day_of(said.fields.get("cleared_on"))
    counts = cleared if said.fields.get("instrument") in _CLEARED else received
    counts = None if counts is None else max(counts, received)
    reversed_on = lookup.day_of(said.fields.get("reversed_on"))
    if reversed_on is None:
        return counts, None
    reversed_on = max(reversed_on, received)
    never = counts is None or reversed_on < counts
    return None if never else counts, reversed_on


class _Payment:
    """One payment as it stands now, and the cells that it posts."""

    def __init__(self, said: State, amount: Money, places: Places) -> None:
        self.cells: Balance = {}
        self._said = said
        self._amount = amount
        self._places = places

    def post_cash(self, counts: date, reversed_on: date | None) -> None:
        """The cash and what it settles, on the day it counts; a reversal takes both back at the same rate."""
        refund = self._said.fields.get("kind") == "refund"
        frame = self._dimensions(counts, self._places)
        self._post("refunded" if refund else "received", counts, reversed_on, frame, self._amount, payments=1)
        for fact, document, settled in self._settled():
            signed = -settled if refund else settled
            self._post(fact, counts, reversed_on, frame._replace(document=document), signed, payments=0)

    def post_pending(self, received: date, until: date) -> None:
        """The stock of bills in hand: it moves where its customer or member does, and is not valued again by that."""
        entered = self._measures(self._amount, received, payments=1)
        for start, stop, dimensions in self._places.view.stretches(self._moving, received, until):
            post(self.cells, (CASH.name, start, "bill-pending", dimensions), entered)
            if stop < date.max:
                post(self.cells, (CASH.name, stop, "bill-pending", dimensions), negated(entered))

    def _settled(self) -> Iterator[tuple[str, str | None, Money]]:
        """The amount cut into what settles documents and the rest; the parts sum to it exactly.

        An allocation in another currency contradicts the payment and settles nothing.
        """
        rest = self._amount
        for document, said in self._said.entries("allocations").items():
            settled = lookup.money(said)
            if settled is not None and settled.currency == rest.currency:
                rest -= settled
                yield "applied", document, settled
        yield ("unallocated" if "allocations" in self._said.fields else "on-account"), None, rest

    def _moving(self, day: date) -> CashDimensions:
        """Asked anew on each day, so that the view sees every question."""
        return self._dimensions(day, Places(self._places.view, self._places.company))

    def _dimensions(self, day: date, places: Places) -> CashDimensions:
        said = self._said
        buyer = places.buyer(said.text("customer_id"), day)
        seat = places.seat(places.responsible(said.text("owner_id"), buyer.customer, day), day)
        return CashDimensions(
            said.text("instrument") or "other",
            *seat,
            buyer.customer,
            buyer.sector,
            places.channel(said.text("channel_id"), buyer.customer, day),
            said.text("business_line"),
            self._amount.currency,
            None,
            buyer.related,
        )

    def _post(
        self,
        fact: str,
        day: date,
        reversed_on: date | None,
        dimensions: CashDimensions,
        amount: Money,
        *,
        payments: int,
    ) -> None:
        measures = self._measures(amount, day, payments=payments)
        post(self.cells, (CASH.name, day, fact, dimensions), measures)
        if reversed_on is not None:
            post(self.cells, (CASH.name, reversed_on, fact, dimensions), negated(measures))

    def _measures(self, amount: Money, day: date, *, payments: int) -> CashMeasures:
        worth = self._places.worth(amount, day)
        return CashMeasures(payments, *worth)
