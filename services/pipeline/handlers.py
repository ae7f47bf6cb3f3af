"""A deal's journal in, its history out: folded, saved, and what is new about its stages said."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import partial
from types import MappingProxyType

from services.pipeline.domain.history import History, history
from services.pipeline.domain.slices import Reader, Slice
from services.pipeline.domain.visits import Visit, visits
from services.pipeline.store import Written, save_histories
from services.pipeline.wire import stage_changed
from shared.kernel.journal import Journal, known
from shared.kernel.ledger import Ledger
from shared.messaging.folding import Change, Handler
from shared.sales.company import Company
from shared.sales.references import References, View
from shared.sales.timeline import Folded, Since
from shared.storage.database import Writer
from shared.storage.folds import Entity
from shared.storage.outbox import Message

KINDS = frozenset({"deal"})
_NO_LEDGERS: Mapping[str, Ledger] = MappingProxyType({})


def handler(company: Company) -> Handler:
    """What pipeline makes of the stream."""
    return Handler(
        KINDS, _NO_LEDGERS, partial(fold, company), partial(save, company), partial(say, company),
        partial(revive, company),
    )  # fmt: skip


def revive(company: Company, entity: Entity, references: References) -> History:
    """The history that was made of it before: so it is read on, and what is new about it is told apart."""
    return replace(history(entity.journal, references, company), is_saved=False)


def fold(
    company: Company, before: Entity, journal: Journal, references: References, _since: Since | None = None
) -> Folded:  # fmt: skip
    """A deal posts nothing: its model is its history, which is saved as rows."""
    made = history(journal, references, company, _remembered(before))
    return Folded({}, made.asked, model=made)


async def save(
    company: Company, writer: Writer, partition: int, number: int, changes: Sequence[Change], references: References
) -> None:
    """Write the rows of the changed deals."""
    written = [
        Written(
            change.after.key.id,
            _saved(change.before),
            _remembered(change.after) or history(change.after.journal, references, company),
            is_new=not change.before.journal,
        )
        for change in changes
    ]
    await save_histories(writer, partition, number, written)


def say(company: Company, changes: Sequence[Change], references: References) -> Sequence[Message]:
    """A fact for each transition that was not there before, as everything is known now; nothing for history."""
    said: list[Message] = []
    for change in changes:
        if change.reconstructed:
            continue
        told = {_identity(one) for one in visits(_present(change.before, references, company))}
        said += [
            stage_changed(change.after.key.id, one)
            for one in visits(_present(change.after, references, company))
            if _identity(one) not in told
        ]
    return said


def _present(entity: Entity, references: References, company: Company) -> list[Slice]:
    """The life of a deal as known now."""
    remembered = _remembered(entity)
    if remembered is not None:
        return remembered.slices
    if not entity.journal:
        return []
    assertions = known(entity.journal, date.max)
    return Reader(references, company).read(assertions, View(references, date.max)).slices


def _remembered(entity: Entity) -> History | None:
    """The history that was made of it, if it is at hand."""
    return entity.model if isinstance(entity.model, History) else None


def _saved(entity: Entity) -> History | None:
    """The history that is in the database, if it was made in this process."""
    made = _remembered(entity)
    return made if made is not None and made.is_saved else None


def _identity(visit: Visit) -> tuple[str, ...]:
    facts = visit.facts
    return visit.entry.source, visit.entry.event_id, facts.pipeline, facts.stage, facts.outcome
