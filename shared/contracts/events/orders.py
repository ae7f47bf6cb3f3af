"""The documents of an order: what was ordered, shipped, returned, invoiced and credited. Net means before tax."""

from collections.abc import Iterable, Iterator
from typing import Literal

from msgspec import UNSET

from shared.contracts.events.data import DocumentData, Part, Said, ends_before
from shared.contracts.values import Date, EntityId, Label, Money, Quantity
from shared.kernel.errors import Fault


class Line(Part, kw_only=True, frozen=True):
    """What was shipped, returned, invoiced or credited of one product."""

    product_id: Said[EntityId] = UNSET
    quantity: Said[Quantity] = UNSET
    unit: Said[EntityId] = UNSET
    """Unit of measure; absent: the product's own."""
    net: Said[Money] = UNSET
    """For the whole line, after discount and before tax."""


class OrderLine(Line, kw_only=True, frozen=True):
    """What was ordered of one product."""

    unit_price: Said[Money] = UNSET
    discount: Said[Money] = UNSET
    """For the whole line."""
    net: Said[Money] = UNSET
    """After discount and before tax; wins over quantity × unit price − discount."""
    tax: Said[Money] = UNSET


Lines = dict[EntityId, Line | None]


class TradeDocument(DocumentData, kw_only=True, frozen=True):
    """Who buys, who sells, and through which channel."""

    customer_id: Said[EntityId] = UNSET
    owner_id: Said[EntityId] = UNSET
    """The responsible member."""
    channel_id: Said[EntityId] = UNSET
    business_line: Said[EntityId] = UNSET


class Order(TradeDocument, kw_only=True, frozen=True):
    """A customer's order."""

    deal_id: Said[EntityId] = UNSET
    contract_id: Said[EntityId] = UNSET
    """Call-offs of one contract share it."""
    status: Said[Literal["draft", "confirmed", "fulfilled", "cancelled"]] = UNSET
    ordered_on: Said[Date] = UNSET
    lines: Said[dict[EntityId, OrderLine | None]] = UNSET
    """By line id; null removes a line."""


class Shipment(TradeDocument, kw_only=True, frozen=True):
    """Goods that left for the customer."""

    order_id: Said[EntityId] = UNSET
    shipped_on: Said[Date] = UNSET
    lines: Said[Lines] = UNSET
    """By line id; null removes a line."""


class Return(TradeDocument, kw_only=True, frozen=True):
    """Goods that came back; quantities and amounts are positive."""

    order_id: Said[EntityId] = UNSET
    returned_on: Said[Date] = UNSET
    reason: Said[Label] = UNSET
    lines: Said[Lines] = UNSET
    """By line id; null removes a line."""


class _Billing(TradeDocument, kw_only=True, frozen=True):
    issued_on: Said[Date] = UNSET
    due_on: Said[Date] = UNSET
    net: Said[Money] = UNSET
    tax: Said[Money] = UNSET
    gross: Said[Money] = UNSET
    lines: Said[Lines] = UNSET
    """By line id; null removes a line."""

    def conflicts(self) -> Iterable[Fault]:
        """Refuses a second currency and a due date before the date of issue."""
        yield from super().conflicts()
        yield from self._due_too_early()

    def _due_too_early(self) -> Iterator[Fault]:
        if ends_before(self.issued_on, self.due_on):
            yield Fault("/due_on", "must not be before issued_on")


class Invoice(_Billing, kw_only=True, frozen=True):
    """What the customer owes, with tax: the receivable."""

    order_id: Said[EntityId] = UNSET


class CreditNote(_Billing, kw_only=True, frozen=True):
    """What the customer no longer owes; amounts are positive."""

    order_id: Said[EntityId] = UNSET
    invoice_id: Said[EntityId] = UNSET
    reason: Said[Literal["return", "allowance", "correction"]] = UNSET
