"""KPIs of money: what came in, who still owes, and who paid ahead."""

from types import MappingProxyType

from services.metrics.domain.kpis.declaration import (
    Balances,
    Beside,
    Better,
    Formula,
    Kpi,
    Measure,
    Part,
    Reach,
    Side,
    Term,
    Title,
    Total,
    Unit,
)
from services.metrics.domain.ledgers import CASH, TRADE

_SLICES = (
    "instrument", "member", "team", "manager", "region", "customer", "sector", "channel", "business_line", "currency",
)  # fmt: skip
_ACCOUNTS = ("customer", "business_line", "currency")
"""What documents and cash say alike, so that a payment can meet what it pays."""

_BILLED = {
    "invoiced": (Term(1, "billable-invoiced", Measure.VALUE), Term(-1, "billable-credited", Measure.VALUE)),
    "shipped": (Term(1, "billable-shipped", Measure.VALUE), Term(-1, "billable-returned", Measure.VALUE)),
}


def _balances(side: Side) -> MappingProxyType[str, Formula]:
    settled = Term(-1, "applied", Measure.VALUE), Term(-1, "on-account", Measure.VALUE)
    unclaimed = (Term(-1, "unallocated", Measure.VALUE),)
    return MappingProxyType(
        {
            basis: Balances(
                side,
                Part("billed", TRADE, billed, Reach.UNTIL),
                Part("settled", CASH, settled, Reach.UNTIL),
                Part("unclaimed", CASH, unclaimed, Reach.UNTIL),
            )
            for basis, billed in _BILLED.items()
        }
    )


_NETTED = (
    "netted for each customer and currency on the evening of the period's last day: billed, with tax "
    "(`basis=invoiced`: invoices − credit notes; `shipped`: shipments − returns) − cash applied to documents "
    "− cash on account"
)
_RATES = (
    "Amounts stand at the rates of their own days; what is left in base currency of an account that is settled in "
    "its own is shown as `exchange_difference` and is no part of the value."
)
_COUNTED = "0 where there is nothing. Amounts without an exchange rate are left out and counted as `unconverted`."

KPIS: tuple[Kpi, ...] = (
    Kpi(
        slug="collections",
        title=Title("Collections", "回款"),
        unit=Unit.MONEY,
        better=Better.UP,
        formulas=MappingProxyType(
            {
                "": Total(
                    Part(
                        "collected",
                        CASH,
                        (Term(1, "received", Measure.VALUE), Term(-1, "refunded", Measure.VALUE)),
                    )
                )
            }
        ),
        words="Σ cash received − refunds, tax included; bills and letters of credit on the day on which they clear, "
        "shown apart as `bills-pending` until then.",
        null_rule=_COUNTED,
        dimensions=_SLICES,
        beside=(Beside(Part("bills-pending", CASH, (Term(1, "bill-pending", Measure.VALUE),), Reach.UNTIL)),),
    ),
    Kpi(
        slug="receivables",
        title=Title("Receivables", "应收账款"),
        unit=Unit.MONEY,
        better=Better.DOWN,
        formulas=_balances(Side.RECEIVABLE),
        words=f"Σ what customers owe, {_NETTED}; those above zero. {_RATES}",
        null_rule=_COUNTED,
        dimensions=_ACCOUNTS,
        basis_setting=True,
    ),
    Kpi(
        slug="prepayments",
        title=Title("Prepayments", "预收款"),
        unit=Unit.MONEY,
        better=Better.UP,
        formulas=_balances(Side.PREPAYMENT),
        words=f"Σ what customers have paid ahead, {_NETTED}; those below zero, told as positive; and all unallocated "
        f"cash. {_RATES}",
        null_rule=_COUNTED,
        dimensions=_ACCOUNTS,
        basis_setting=True,
    ),
)
