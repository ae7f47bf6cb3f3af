"""A deal's or document's journal in; series postings and the standing of the deal out."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from services.forecast.domain import contributions
from services.forecast.domain.ledgers import LEDGERS
from services.forecast.domain.standing import standing
from services.forecast.store import save_standings
from shared.kernel.journal import Assertion, Journal
from shared.kernel.ledger import Balance
from shared.messaging.folding import Change, Handler
from shared.sales.company import Company
from shared.sales.references import Key, References, View
from shared.sales.timeline import Folded, Since, timeline
from shared.storage.database import Writer
from shared.storage.folds import Entity
from shared.storage.outbox import Message

KINDS = frozenset({"deal", "order", "return", "credit-note"})


def handler(company: Company) -> Handler:
    """What forecast makes of the stream."""

    def folding(before: Entity, journal: Journal, references: References, since: Since | None) -> Folded:
        return fold(company, before.key, journal, references, since)

    return Handler(KINDS, LEDGERS, folding, partial(save, company), say)


def fold(
    company: Company, key: Key, journal: Journal, references: References, since: Since | None = None
) -> Folded:  # fmt: skip
    """What the entity adds to the series that are forecast."""

    def contribute(assertions: list[Assertion], view: View) -> Balance:
        match key.kind:
            case "deal":
                return contributions.deal_cells(assertions, view, company)
            case "order":
                return contributions.order_cells(assertions, view, company)
            case "return":
                return contributions.return_cells(assertions, view, company)
            case _:
                return contributions.credit_note_cells(assertions, view, company)

    folded = timeline(journal, references, contribute, since)
    if key.kind != "deal":
        return folded
    _, asked = standing(key, journal, references, company)
    return replace(folded, asked=folded.asked | asked)


async def save(
    company: Company, writer: Writer, partition: int, number: int, changes: Sequence[Change], references: References
) -> None:
    """Keep where each changed deal stands."""
    deals = [one.after for one in changes if one.after.key.kind == "deal"]
    standings = [standing(one.key, one.journal, references, company)[0] for one in deals]
    await save_standings(writer, partition, number, standings)


def say(_changes: Sequence[Change], _references: References) -> Sequence[Message]:
    """Nothing: what forecast says are its vintages, when it makes them."""
    return ()
