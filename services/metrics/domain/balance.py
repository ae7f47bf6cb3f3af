"""Who owes and who paid ahead: accounts netted one by one, then summed by side."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from services.metrics.domain.figures import Figure
from services.metrics.domain.kpis.declaration import Side
from shared.kernel.money import EXACT

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Account:
    """One customer in one currency on one evening: billed less settled."""

    customer: str | None
    original: Decimal
    """In its own currency: above zero it owes, below it paid ahead."""
    told: Decimal
    """The same in the currency view that was asked for."""
    unconverted: int = 0

    def is_on(self, side: Side) -> bool:
        """Whether it counts on this side. One that is settled in its own currency is on neither."""
        return self.original > 0 if side is Side.RECEIVABLE else self.original < 0


def balance(side: Side, accounts: Iterable[Account], unclaimed: Decimal, unconverted: int) -> Figure:
    """The sum of the accounts on one side, told as positive; `unclaimed` cash, a negative sum that leaves out
    `unconverted` amounts, is prepaid."""
    owed = settled = ZERO
    customers: set[str | None] = set()
    counted = 0
    for account in accounts:
        if account.is_on(side):
            owed = EXACT.add(owed, account.told)
            counted += account.unconverted
            customers.add(account.customer)
        elif account.original == 0:
            settled = EXACT.add(settled, account.told)
    if side is Side.PREPAYMENT:
        owed = EXACT.subtract(ZERO, EXACT.add(owed, unclaimed))
        counted += unconverted
    parts: Mapping[str, Decimal | int] = {"customers": len(customers)}
    beside = {"exchange_difference": settled}
    return Figure(owed, parts, counts={"unconverted": counted}, beside=beside)
