"""A deal's journal in, its history out: folded, saved, and what is new about its stages said."""

from collections.abc import Mapping, Sequence
from datetime import date
from functools import partial
from types import MappingProxyType

from services.pipeline.domain.history import History, history
from services.pipeline.domain.stages import Transition, transitions
from services.pipeline.store import save_histories
from services.pipeline.wire import stage_changed
from shared.kernel.journal import Journal, known
from shared.kernel.ledger import Ledger
from shared.messaging.folding import Change, Handler
from shared.sales.company import Company
from shared.sales.deal import deal_life
from shared.sales.references import Key, References, View
from shared.sales.timeline import Folded
from shared.storage.database import Writer
from shared.storage.outbox import Message

KINDS = frozenset({"deal"})
_NO_LEDGERS: Mapping[str, Ledger] = MappingProxyType({})


def handler(company: Company) -> Handler:
    """What pipeline makes of the stream."""
    made = _Made(company)
    return Handler(KINDS, _NO_LEDGERS, made.fold, made.save, partial(say, company))


class _Made:
    """Histories on their way from `fold` to `save` of one transaction, so that each is made once.

    What a failed transaction leaves behind is never used: a history counts only for the very journal and references
    from which it was made, and is made again for any other.
    """

    def __init__(self, company: Company) -> None:
        self._company = company
        self._waiting: dict[Key, tuple[Journal, References, History]] = {}

    def fold(self, key: Key, journal: Journal, references: References) -> Folded:
        """A deal posts nothing: its rows are replaced as a whole."""
        made = history(journal, references, self._company)
        self._waiting[key] = journal, references, made
        return Folded({}, made.asked)

    async def save(
        self, writer: Writer, partition: int, number: int, changes: Sequence[Change], references: References
    ) -> None:
        """Write the rows of the changed deals."""
        histories = {change.after.key.id: self._take(change, references) for change in changes}
        await save_histories(writer, partition, number, histories)

    def _take(self, change: Change, references: References) -> History:
        journal = change.after.journal
        waiting = self._waiting.pop(change.after.key, None)
        if waiting is not None and waiting[0] is journal and waiting[1] is references:
            return waiting[2]
        return history(journal, references, self._company)


def say(company: Company, changes: Sequence[Change], references: References) -> Sequence[Message]:
    """A fact for each transition that was not there before, as everything is known now; nothing for history."""
    said: list[Message] = []
    for change in changes:
        if change.reconstructed:
            continue
        told = {_identity(one) for one in _present(change.before.journal, references, company)}
        said += [
            stage_changed(change.after.key.id, one)
            for one in _present(change.after.journal, references, company)
            if _identity(one) not in told
        ]
    return said


def _present(journal: Journal, references: References, company: Company) -> list[Transition]:
    view = View(references, date.max)
    assertions = known(journal, date.max)
    return transitions(assertions, deal_life(assertions, view, company), view)


def _identity(one: Transition) -> tuple[str, ...]:
    return one.entry.source, one.entry.event_id, one.pipeline, one.stage, one.outcome
