"""What of the ledger a number is made of: for each part the postings that count, and with which sign."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from services.metrics.domain.figures import Parts, divided, quotient, total
from services.metrics.domain.inquiry import Inquiry
from services.metrics.domain.kpis.declaration import (
    Balances,
    Distinct,
    Durations,
    Part,
    Quotient,
    Reach,
    Side,
    Term,
    Total,
)
from services.metrics.domain.spans import whole
from shared.kernel.ledger import Number


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part over the days that it reaches."""

    part: Part
    start: date | None
    end: date
    of_accounts: bool = False
    """Only customers' accounts on the balance's side."""


def stretches(inquiry: Inquiry) -> list[Stretch]:
    """The postings of the one number of an inquiry, part by part; their sums make the number."""
    asked = inquiry.asked
    end = whole(asked.start, asked.end).last
    formula = inquiry.formula
    if isinstance(formula, Balances):
        side = formula.side
        netted = formula.billed, formula.settled
        accounts = [Stretch(_told(part, side), None, end, of_accounts=True) for part in netted]
        return accounts + ([Stretch(_told(formula.unclaimed, side), None, end)] if side is Side.PREPAYMENT else [])
    return [Stretch(part, _start(part, asked.start, end, asked.window), end) for part in formula.parts]


def number_of(inquiry: Inquiry, parts: Parts) -> Number | None:
    """The number that these sums make, told as the answer tells it. A distinct count is no sum: it is given, under the
    name of what is counted."""
    match inquiry.formula:
        case Total(part):
            return parts[part.name]
        case Quotient() as formula:
            return quotient(formula, parts, inquiry.kpi.digits)
        case Durations(deals, days):
            return divided(parts[days.name], parts[deals.name], inquiry.kpi.digits)
        case Distinct(of=of):
            return parts[of]
        case Balances():
            return total(parts.values())


def ledgers_of(found: Sequence[Stretch]) -> Mapping[str, list[Stretch]]:
    """The stretches by the name of their ledger."""
    grouped: dict[str, list[Stretch]] = {}
    for stretch in found:
        grouped.setdefault(stretch.part.ledger.name, []).append(stretch)
    return grouped


def _start(part: Part, start: date | None, end: date, window: int | None) -> date | None:
    match part.reach:
        case Reach.WITHIN:
            return start
        case Reach.UNTIL:
            return None
        case Reach.WINDOW:
            return None if window is None else end - timedelta(days=window - 1)


def _told(part: Part, side: Side) -> Part:
    """Prepayments are negative balances, told as positive."""
    if side is Side.RECEIVABLE:
        return part
    terms = tuple(Term(-term.sign, term.fact, term.measure) for term in part.terms)
    return Part(part.name, part.ledger, terms, part.reach)
