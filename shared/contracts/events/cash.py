"""Money that came in or went back, by whatever instrument, and the documents that it settles."""

from collections.abc import Iterator
from typing import Literal

from msgspec import UNSET

from shared.contracts.events.data import CURRENCY_MISMATCH, EntityData, Said, other_currencies
from shared.contracts.faults import escaped
from shared.contracts.values import Date, EntityId, Label, Money, PositiveMoney
from shared.kernel.errors import Fault


class Payment(EntityData, kw_only=True, frozen=True):
    """A receipt or a refund."""

    customer_id: Said[EntityId] = UNSET
    owner_id: Said[EntityId] = UNSET
    """The responsible member."""
    channel_id: Said[EntityId] = UNSET
    business_line: Said[EntityId] = UNSET
    kind: Said[Literal["receipt", "refund"]] = UNSET
    amount: Said[PositiveMoney] = UNSET
    """With tax, greater than zero in both directions."""
    instrument: Said[Literal["cash", "transfer", "card", "cheque", "bill", "letter_of_credit", "other"]] = UNSET
    received_on: Said[Date] = UNSET
    matures_on: Said[Date] = UNSET
    """Bills and letters of credit: when they fall due."""
    cleared_on: Said[Date] = UNSET
    """Bills and letters of credit count as collected from this day on."""
    reversed_on: Said[Date] = UNSET
    """The day on which it was dishonoured or charged back."""
    reversal_reason: Said[Label] = UNSET
    allocations: Said[dict[EntityId, Money | None]] = UNSET
    """Settled amount by document id (an order or an invoice); null removes one. What is not allocated, or all of it if
    this was never said, is on account: a prepayment."""

    def conflicts(self) -> Iterator[Fault]:
        """Refuses allocations in another currency than the payment's."""
        if isinstance(self.amount, Money) and isinstance(self.allocations, dict):
            for document, money in self.allocations.items():
                if money is not None and money.currency != self.amount.currency:
                    yield Fault(f"/allocations/{escaped(document)}/currency", CURRENCY_MISMATCH)
        else:
            yield from other_currencies(self)
