"""A deal's journal in, its history out: folded, saved, and what is new about its stages said."""

from collections.abc import Mapping, Sequence
from datetime import date
from functools import partial
from hashlib import blake2b
from types import MappingProxyType

from services.pipeline.domain.history import History, Step, history, step
from services.pipeline.domain.slices import Reader, Slice
from services.pipeline.domain.visits import Visit, visits
from services.pipeline.packing import pack_end, unpack_end
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


def handler(company: Company, code: str = "") -> Handler:
    """What pipeline makes of the stream; `code` changes with every line of it that numbers may depend on."""
    rules = blake2b(f"{company!r} {code}".encode(), digest_size=8).digest()
    return Handler(
        KINDS, _NO_LEDGERS, partial(fold, company), save, partial(say, company),
        partial(pack, rules), partial(revive, rules, company),
    )  # fmt: skip


def pack(rules: bytes, entity: Entity) -> bytes | None:
    """The end of its history, and by which rules it was made."""
    return rules + pack_end(entity.model, entity.standing.asked) if isinstance(entity.model, History) else None


def revive(rules: bytes, company: Company, entity: Entity, packed: bytes) -> History | None:
    """The end of its history; None if other rules have made it, for then its rows are to be made again."""
    if not packed.startswith(rules):
        return None
    return unpack_end(packed[len(rules) :], entity.journal, entity.standing.asked, company)


def fold(
    company: Company, before: Entity, journal: Journal, references: References, _since: Since | None = None
) -> Folded:  # fmt: skip
    """A deal posts nothing: the result is how its history goes on, which is saved as rows."""
    if isinstance(before.model, History):
        made = step(before.model, before.journal, journal, references, company)
    else:
        made = Step(None, history(journal, references, company))
    return Folded({}, made.after.asked, model=made.after.end, result=made)


async def save(
    writer: Writer, partition: int, number: int, changes: Sequence[Change], _references: References
) -> None:  # fmt: skip
    """Write the rows of the changed deals."""
    written = [Written(one.after.key.id, *_step(one), is_new=not one.before.journal) for one in changes]
    await save_histories(writer, partition, number, written)


def say(company: Company, changes: Sequence[Change], references: References) -> Sequence[Message]:
    """A fact for each transition that was not there before, as everything is known now; nothing for history."""
    said: list[Message] = []
    for change in changes:
        if change.reconstructed:
            continue
        before, after = _step(change)
        slices = _present(change.before.journal, references, company) if before is None else before.slices
        told = {_identity(one) for one in visits(slices)}
        said += [stage_changed(change.after.key.id, one) for one in visits(after.slices) if _identity(one) not in told]
    return said


def _present(journal: Journal, references: References, company: Company) -> list[Slice]:
    """The life of a deal as known now."""
    if not journal:
        return []
    return Reader(references, company).read(known(journal, date.max), View(references, date.max)).slices


def _step(change: Change) -> Step:
    made = change.result
    assert isinstance(made, Step)  # noqa: S101 - every fold here ends with one
    return made


def _identity(visit: Visit) -> tuple[str, ...]:
    facts = visit.facts
    return visit.entry.source, visit.entry.event_id, facts.pipeline, facts.stage, facts.outcome
