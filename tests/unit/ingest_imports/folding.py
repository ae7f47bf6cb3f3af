"""Drafts folded as the services fold them: what is true of each entity in the end."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any

from services.ingest.imports import Draft
from shared.contracts.entities import ENTITIES, canonical, statement
from shared.kernel.journal import Assertion, Journal, Stamp, State, merge, states

KNOWN_ON = date(2026, 1, 1)


def journal_of(drafts: Iterable[Draft], known_on: date = KNOWN_ON) -> dict[tuple[str, str], Journal]:
    """By entity and id."""
    journals: dict[tuple[str, str], Journal] = {}
    for draft in drafts:
        said = statement(canonical(draft.data)[0])
        stamp = Stamp(draft.occurred_at, draft.sequence, draft.source, draft.id)
        assertion = Assertion(stamp, known_on, said.said, said.ended, said.since)
        key = (draft.entity, draft.subject)
        journals[key] = merge(journals.get(key, ()), [assertion])
    return journals


def lives(drafts: Iterable[Draft], entity: str) -> dict[str, list[State]]:
    """The states of every entity of a kind, by its id."""
    collections = ENTITIES[entity].collections
    found = journal_of(draft for draft in drafts if draft.entity == entity)
    return {subject: states(journal, collections) for (_entity, subject), journal in found.items()}


def latest(drafts: Iterable[Draft], entity: str) -> dict[str, State]:
    """What is true in the end; without what ended."""
    return {subject: life[-1] for subject, life in lives(drafts, entity).items() if not life[-1].ended}


def amount(value: Any) -> Decimal:
    assert value["currency"] == "USD"
    return Decimal(value["amount"])
