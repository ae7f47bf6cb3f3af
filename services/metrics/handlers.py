"""An entity's journal in, what it ought to have posted out. The lane loads, compares, saves and appends around this."""

from collections.abc import Callable, Sequence
from typing import assert_never

from services.metrics.domain import cash, deals, trade
from services.metrics.domain.ledgers import LEDGERS
from services.metrics.store import save_nothing
from services.metrics.wire import KINDS, Kind, kind_of
from shared.kernel.journal import Assertion, Journal
from shared.kernel.ledger import Balance
from shared.messaging.folding import Change, Handler
from shared.sales.company import Company
from shared.sales.references import Key, References, View
from shared.sales.timeline import Folded, Since, timeline
from shared.storage.folds import Entity
from shared.storage.outbox import Message

Contribution = Callable[[Sequence[Assertion], View, Company], Balance]


def handler(company: Company) -> Handler:
    """What metrics makes of the stream. It says nothing: alerts are judged on sums, not on single events."""

    def folding(before: Entity, journal: Journal, references: References, since: Since | None) -> Folded:
        return fold(company, before.key, journal, references, since)

    return Handler(KINDS, LEDGERS, folding, save_nothing, _say_nothing)


def fold(
    company: Company, key: Key, journal: Journal, references: References, since: Since | None = None
) -> Folded:  # fmt: skip
    """What the entity ought to have posted by now, exact as of any past day."""
    contribution = _contribution(kind_of(key))
    return timeline(journal, references, lambda known, view: contribution(known, view, company), since)


def _contribution(kind: Kind) -> Contribution:
    match kind:
        case "deal":
            return deals.deal_cells
        case "order":
            return trade.order_cells
        case "shipment":
            return trade.shipment_cells
        case "return":
            return trade.return_cells
        case "invoice":
            return trade.invoice_cells
        case "credit-note":
            return trade.credit_note_cells
        case "payment":
            return cash.payment_cells
        case _:
            assert_never(kind)


def _say_nothing(_changes: Sequence[Change], _references: References) -> Sequence[Message]:
    return ()
