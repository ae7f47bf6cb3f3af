"""Reads the kept bytes of a source again with the present adapter: same ids, so nothing doubles; what now says
something else becomes a new revision of its event.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from services.ingest import queries, wire
from services.ingest.accounts import Accounts, Connected
from services.ingest.domain.agreement import redated
from services.ingest.domain.candidates import Candidate, Outcome, Status
from services.ingest.inbox import Inbox, Submission
from services.ingest.intake import Intake
from services.ingest.receiving import again
from services.ingest.store import Raw
from shared.kernel.errors import NotFoundError, QuintantError
from shared.storage.database import Database

_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of some kept bytes. `after` is where to go on; None at the end."""

    counts: Counter[str]
    after: tuple[datetime, str] | None


@dataclass(frozen=True, slots=True)
class Replays:
    """Runs history through mended adapters."""

    database: Database
    accounts: Accounts
    intake: Intake
    inbox: Inbox

    async def some(self, name: str, since: datetime, after: tuple[datetime, str] | None, *, dry_run: bool) -> Replayed:
        """Replay the next bytes of a source. Counts `read` (pieces of bytes), and events: `same`, `changed` (a new
        revision), `new`, `waiting` (for a stage map), `unread` (the adapter cannot read the bytes) and `vanished` (not
        said any more; they stay as they are). Raises NotFoundError for a source that is not configured."""
        connected = self.accounts.find(name)
        if connected is None:
            raise NotFoundError(f"No source called {name} is configured.")
        async with self.database.read() as reader:
            raws = await queries.raws_of(reader, name, since, after, _AT_ONCE)
            before = await queries.events_of(reader, raws)
        counts: Counter[str] = Counter(read=len(raws))
        for raw in raws:
            try:
                candidates = _candidates(connected, raw)
            except QuintantError:
                counts["unread"] += 1
                continue
            counts["vanished"] += len(before.get(raw.id, set()) - {one.identity for one in candidates})
            await self._take(raw, candidates, counts, dry_run=dry_run)
        last = raws[-1] if len(raws) == _AT_ONCE else None
        return Replayed(counts, (last.received_at, last.id) if last else None)

    async def _take(self, raw: Raw, candidates: Sequence[Candidate], counts: Counter[str], *, dry_run: bool) -> None:
        async with self.database.read() as reader:
            known = await queries.revisions(reader, [one.identity for one in candidates])
        fresh = [one for one in candidates if one.identity not in known]
        changed = [
            (one, known[one.identity][0] + 1)
            for one in candidates
            if one.identity in known and known[one.identity][1] != one.content
        ]
        counts["same"] += len(candidates) - len(fresh) - len(changed)
        counts["changed"] += len(changed)
        if dry_run:
            counts["new"] += len(fresh)
            return
        for candidate, revision in changed:
            await self.inbox.accept(Submission([replace(candidate, raw_id=raw.id)], revision=revision))
        outcomes = await self.intake.take(fresh, raw, kind=raw.kind)
        counts["new"] += sum(one.status is Status.ACCEPTED for one in outcomes)
        counts["waiting"] += sum(one.status is Status.QUARANTINED for one in outcomes)


def _candidates(connected: Connected, raw: Raw) -> list[Candidate]:
    """The events of kept bytes, said as they were: see upkeep/absorbing. Raises QuintantError."""
    read = wire.read(again(connected, raw).events)
    for one in read:
        if isinstance(one, Outcome) and one.error is not None:
            raise one.error
    candidates = [one for one in read if isinstance(one, Candidate)]
    if raw.kind != "read":
        return candidates
    said: dict[str, Any] = dict(raw.headers)
    return [
        redated(
            wire.without(one, said["removed"].get(one.id, {})),
            datetime.fromisoformat(said["dated"][one.id]) if one.id in said["dated"] else one.occurred_at,
        )
        for one in candidates
    ]
