"""A lane that folds: journals in, postings out, everything of a run in one transaction behind the position.

A service says which entities it folds and how; this is the same in all of them: load, merge, fold, difference, save,
append. A reference event folds every entity again that asked for it, in as many transactions as that takes.

What was learned no earlier than the last posting is folded since that day; only what comes late, or tells of earlier
days, needs the whole life of its entity and all its postings.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import groupby

from shared.contracts.entities import ENTITIES
from shared.contracts.records import StreamRecord
from shared.kernel.clock import Clock
from shared.kernel.errors import StoppedError
from shared.kernel.journal import Assertion, Journal, joined, stamp, unheard
from shared.kernel.ledger import Cells, Ledger
from shared.messaging.failpoints import Failpoints
from shared.sales.references import Key, References, key_of
from shared.sales.timeline import Folded, Since
from shared.storage import folds
from shared.storage.database import Database, Writer
from shared.storage.encoding import unpack_posted
from shared.storage.folds import Addition, Entity
from shared.storage.outbox import Message, append_messages
from shared.storage.position import Applied, Position, Refold, advance, take_position
from shared.telemetry import metric_names
from shared.telemetry.metrics import Metrics

CHUNK = 500
"""Entities folded again in one transaction."""


@dataclass(slots=True)
class Change:
    """What one run did to one entity. Never changed; not frozen, for that makes it slow to make."""

    before: Entity
    after: Entity
    said: Sequence[Assertion]
    """What the journal did not hold before."""
    change: Cells
    """What is appended to the ledgers."""
    reconstructed: bool
    """All that was new about it is imported history: nothing that happened now, nothing to announce."""
    result: object = None
    """What the fold made for `save` and `say` beside that."""


Fold = Callable[[Entity, Journal, References, Since | None], Folded]
"""Pure: an entity as it was, its journal as it is and the references → what it ought to have posted, all told or, if it
may begin there, since a day. (`timeline` does both; who posts nothing need not care.)"""

Pack = Callable[[Entity], bytes | None]
"""Pure: an entity as it was folded → what is stored of its model."""

Revive = Callable[[Entity, bytes], object]
"""Pure: an entity as it was read, and what was stored of its model → the model; None if it is not good any more.
The references are those of that fold: it would be folded again first."""

Save = Callable[[Writer, int, int, Sequence[Change], References], Awaitable[None]]
"""Write a service's own rows for the changed entities of (partition, number)."""

Say = Callable[[Sequence[Change], References], Sequence[Message]]
"""What a service has to say about the changes."""


def _nothing_packed(_entity: Entity) -> None:
    return None


def _nothing_revived(_entity: Entity, _packed: bytes) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Handler:
    """What one service makes of the stream."""

    kinds: frozenset[str]
    """The entities that it folds; the others only move its position."""
    ledgers: Mapping[str, Ledger]
    fold: Fold
    save: Save
    say: Say
    pack: Pack = _nothing_packed
    revive: Revive = _nothing_revived


@dataclass(frozen=True, slots=True)
class FoldingOpener:
    """Opens lanes of one service."""

    database: Database
    revision: str
    """Of the schema that the handler needs."""
    generation: int
    handler: Handler
    metrics: Metrics
    clock: Clock
    failpoints: Failpoints
    chunk: int = CHUNK

    async def open(self, partition: int) -> "FoldingLane":
        """Read the position and the partition's references; a refold that was interrupted is finished first."""
        async with self.database.write() as writer:
            position = await take_position(writer, partition, self.generation, self.revision)
            references = await folds.load_references(writer, partition)
        lane = FoldingLane(self, position, references)
        await lane.finish_refold()
        return lane


class FoldingLane:
    """One partition while it is assigned."""

    def __init__(self, opener: FoldingOpener, position: Position, references: References) -> None:
        self._opener = opener
        self._handler = opener.handler
        self._position = position
        self._references = references

    @property
    def position(self) -> Position:
        """How far this partition is applied, as this lane believes."""
        return self._position

    async def apply(self, records: Sequence[StreamRecord], *, duplicates: int, dead: Sequence[int]) -> None:
        """Apply contiguous records: runs of own entities and runs of references, one after another."""
        end = max([*dead, *(record.number for record in records)])
        runs = [list(run) for _, run in groupby(records, key=lambda record: ENTITIES[record.entity].reference)]
        for index, run in enumerate(runs):
            last = index == len(runs) - 1
            number = end if last else runs[index + 1][0].number - 1
            applied = self._applied(run, duplicates if index == 0 else 0, [n for n in dead if n <= number])
            dead = [n for n in dead if n > number]
            if ENTITIES[run[0].entity].reference:
                await self._learn(run, number, applied)
            else:
                await self._tell(run, number, applied)
        if not runs:
            async with self._opener.database.write() as writer:
                await self._advance(writer, replace(self._position, number=end), self._applied([], duplicates, dead))
            self._moved(replace(self._position, number=end))

    async def begin_epoch(self, epoch: int, last_valid: int) -> None:
        """Go on after the inbox was restored from a backup."""
        if self._position.number > last_valid:
            raise StoppedError(
                f"partition {self._position.partition} applied events up to {self._position.number}, but the restored "
                f"inbox knows them only up to {last_valid}: rebuild this service from the stream"
            )
        after = replace(self._position, epoch=epoch)
        async with self._opener.database.write() as writer:
            await self._advance(writer, after, self._applied([], 0, []))
        self._moved(after)

    async def _tell(self, run: Sequence[StreamRecord], number: int, applied: Applied) -> None:
        """Apply events of own entities in one transaction."""
        told: dict[Key, list[StreamRecord]] = {}
        for record in run:
            if record.entity in self._handler.kinds:
                told.setdefault(key_of((record.entity, record.subject)), []).append(record)
        after = replace(self._position, number=number)
        async with self._opener.database.write() as writer:
            known = await self._advance_and_load(writer, after, applied, list(told))
            news = [_heard(known.get(key) or Entity(key), said) for key, said in told.items()]
            changes = [self._change(one, self._references) for one in news if one.said]
            await self._save(writer, number, changes, self._references)
            self._opener.failpoints.reach("fold.before_commit")
        self._moved(after)

    async def _learn(self, run: Sequence[StreamRecord], number: int, applied: Applied) -> None:
        """Apply reference events: save them, then fold again whatever asked for them."""
        said: dict[Key, list[Assertion]] = {}
        for record in run:
            said.setdefault(Key(record.entity, record.subject), []).append(_assertion(record))
        new = {key: unheard(self._references.journal(key), told) for key, told in said.items()}
        learned = {key: joined(self._references.journal(key), told) for key, told in new.items() if told}
        references = self._references.learn(learned)
        known_from = min((one.known_on for told in new.values() for one in told), default=None)
        refold = Refold(number, sorted(learned), ("", ""), known_from)
        async with self._opener.database.write() as writer:
            after, changes = await self._turn(writer, refold, references)
            await self._advance(writer, after, applied)
            await folds.save_references(writer, self._position.partition, learned)
            await self._save(writer, number, changes, references)
            self._opener.failpoints.reach("fold.before_commit")
        self._references = references
        self._moved(after)
        await self.finish_refold()

    async def finish_refold(self) -> None:
        """Go on with a refold, turn by turn, until every entity that the references touch is folded again."""
        while (refold := self._position.refold) is not None:
            self._opener.failpoints.reach("refold.turn_committed")
            async with self._opener.database.write() as writer:
                after, changes = await self._turn(writer, refold, self._references)
                await self._advance(writer, after, self._applied([], 0, []))
                await self._save(writer, refold.until, changes, self._references)
            self._moved(after)

    async def _turn(self, writer: Writer, refold: Refold, references: References) -> tuple[Position, list[Change]]:
        """Fold the next entities that asked for the changed references; where the position stands after that.

        Readers see postings only up to the position, which stays before `until` until the last turn: they never see a
        company of which half has moved.
        """
        chunk = self._opener.chunk
        touched = await folds.load_touched(writer, self._position.partition, refold.keys, refold.after, chunk)
        changes = [self._change(_touched(entity, refold.known_from), references) for entity in touched]
        self._opener.metrics.add(metric_names.REFOLD_ENTITIES, len(touched))
        if len(touched) < chunk:
            return replace(self._position, number=refold.until, turn=0, refold=None), changes
        going_on = Refold(refold.until, refold.keys, touched[-1].key, refold.known_from)
        return replace(self._position, turn=self._position.turn + 1, refold=going_on), changes

    async def _advance_and_load(
        self, writer: Writer, after: Position, applied: Applied, keys: Sequence[Key]
    ) -> Mapping[Key, Entity]:
        """Move the position, and read these entities as far as there are any."""
        loaded = await folds.advance_and_load(writer, self._position, after, applied, keys)
        self._opener.failpoints.reach("fold.advanced")
        return {key: self._revived(entity) for key, entity in loaded.items()}

    def _revived(self, entity: Entity) -> Entity:
        """With the model of its last fold."""
        if entity.packed is None:
            return entity
        model = self._handler.revive(entity, entity.packed)
        return Entity(entity.key, entity.journal, entity.standing, entity.posted, model)

    def _change(self, news: "_News", references: References) -> Change:
        before, since = news.before, news.since
        folded = self._handler.fold(before, news.journal, references, since)
        if since is None:
            change, standing = before.standing.replaced(folded, unpack_posted(before.posted))
        else:
            change, standing = before.standing.grown(folded)
        after = Entity(before.key, news.journal, standing, model=folded.model)
        return Change(before, after, news.said, change, news.history, folded.result)

    async def _save(self, writer: Writer, number: int, changes: Sequence[Change], references: References) -> None:
        reach = self._opener.failpoints.reach
        partition = self._position.partition
        reach("fold.folded")
        if not changes:
            return
        await folds.save_entities(writer, partition, number, [self._addition(one) for one in changes])
        await self._handler.save(writer, partition, number, changes, references)
        reach("fold.saved")
        posted = [(one.after.key, one.change) for one in changes]
        await folds.append_postings(writer, partition, number, posted, self._handler.ledgers)
        await append_messages(writer, self._handler.say(changes, references))
        reach("fold.appended")

    def _addition(self, change: Change) -> Addition:
        before, after = change.before.standing.asked, change.after.standing.asked
        asked = None if before is after or before == after else after
        model = self._handler.pack(change.after)
        return Addition(change.after.key, change.said, change.change, asked, before, model)

    async def _advance(self, writer: Writer, after: Position, applied: Applied) -> None:
        await advance(writer, self._position, after, applied)
        self._opener.failpoints.reach("fold.advanced")

    def _moved(self, after: Position) -> None:
        """After the commit."""
        self._opener.failpoints.reach("fold.committed")
        self._position = after

    def _applied(self, run: Sequence[StreamRecord], duplicates: int, dead: Sequence[int]) -> Applied:
        history: list[date] = [record.recorded_on for record in run if record.reconstructed]
        return Applied(
            self._opener.clock.now(),
            len(run),
            duplicates,
            len(dead),
            min((record.known_on for record in run), default=None),
            max(history, default=None),
        )


@dataclass(slots=True)
class _News:
    """An entity about which, or about whose references, something is new. Never changed, as a change."""

    before: Entity
    said: Sequence[Assertion]
    journal: Journal
    since: Since | None
    """Where to begin; None: from the beginning."""
    history: bool


def _heard(before: Entity, told: Sequence[StreamRecord]) -> _News:
    said = unheard(before.journal, [_assertion(one) for one in told])
    return _News(
        before,
        said,
        joined(before.journal, said),
        before.standing.since(min([one.known_on for one in said], default=None)),
        history=False not in [one.reconstructed for one in told],
    )


def _touched(entity: Entity, known_from: date | None) -> _News:
    """Nothing can have changed before the entity was known."""
    learned = known_from and max(known_from, min(one.known_on for one in entity.journal))
    return _News(entity, (), entity.journal, entity.standing.since(learned), history=True)


def _assertion(record: StreamRecord) -> Assertion:
    told = record.said
    return Assertion(
        stamp((record.time, record.sequence, record.source, record.id)),
        record.known_on,
        told.said,
        told.ended,
        told.since,
        record.revision,
    )
