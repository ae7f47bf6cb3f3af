"""What an object read from a source adds to what the source has said before.

A record is whole: what it says and we know already is not said again, and entries of its collections that it no longer
has are taken out. So a poll says only what the webhooks missed, and reading twice says nothing twice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from services.ingest.domain.candidates import Candidate
from shared.kernel.journal import Assertion, State, Value, states

Removed = Mapping[str, Mapping[str, Sequence[str]]]
"""`entity/subject` → collection → ids of entries."""


@dataclass(frozen=True, slots=True)
class Said:
    """A candidate's content, read."""

    candidate: Candidate
    fields: Mapping[str, Value]
    ended: bool | None
    personal: Mapping[str, Value] = field(default_factory=dict)

    @property
    def key(self) -> str:
        return f"{self.candidate.entity}/{self.candidate.subject}"


@dataclass(frozen=True, slots=True)
class Known:
    """What the same source has said of one entity so far."""

    assertions: Sequence[Assertion]
    """In stamp order."""
    personal: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Missing:
    """One candidate that says something new, and how it has to be said."""

    said: Said
    removed: Mapping[str, Sequence[str]]
    at: datetime
    """The object's own time of change; or the time of reading, when the source's times contradict what it says."""


def missing(
    said: Said,
    known: Known,
    collections: frozenset[str],
    read_at: datetime,
    *,
    partial: frozenset[str] = frozenset(),
) -> Missing | None:
    """What the record adds; None if all of it is known. Of `partial` collections it may name some entries only."""
    lived = states(known.assertions, collections)
    if not lived:
        return None if said.ended else Missing(said, {}, said.candidate.occurred_at)
    last = lived[-1]
    removed = _removed(said, last, collections - partial)
    wrong = _disagreeing(said, last, collections) | removed.keys()
    ends_otherwise = said.ended is not None and said.ended != last.ended
    if not wrong and not ends_otherwise and _agree(said.personal, known.personal):
        return None
    latest = max((last.stamps[name] for name in wrong if name in last.stamps), default=None)
    own = (said.candidate.occurred_at, said.candidate.sequence)
    # Said with the object's own time it would lose against something older that claims to be newer.
    loses = (latest is not None and own < latest[:2]) or (ends_otherwise and own < known.assertions[-1].stamp[:2])
    return Missing(said, removed, read_at if loses else said.candidate.occurred_at)


def _removed(said: Said, last: State, collections: frozenset[str]) -> dict[str, list[str]]:
    found = {}
    for name in collections & said.fields.keys():
        entries = said.fields[name]
        gone = sorted(last.entries(name).keys() - (entries.keys() if isinstance(entries, Mapping) else set()))
        if gone and entries is not None:
            found[name] = gone
    return found


def _disagreeing(said: Said, last: State, collections: frozenset[str]) -> set[str]:
    return {
        name
        for name, value in said.fields.items()
        if not (_entries_agree(value, last.entries(name)) if name in collections else last.fields.get(name) == value)
    }


def _entries_agree(said: Value, known: Mapping[str, Mapping[str, Value]]) -> bool:
    if not isinstance(said, Mapping):
        return not known
    return all(
        key not in known if entry is None else key in known and isinstance(entry, Mapping) and _agree(entry, known[key])
        for key, entry in said.items()
    )


def _agree(said: Mapping[str, Value], known: Mapping[str, Value]) -> bool:
    return all(known.get(name) == value for name, value in said.items())


def redated(candidate: Candidate, at: datetime) -> Candidate:
    """The candidate as `missing` wants it dated."""
    return candidate if candidate.occurred_at == at else replace(candidate, occurred_at=at)
