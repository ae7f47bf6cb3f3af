"""Says what files would become before anything is taken in: how they are understood, and what an import would do."""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from services.ingest.importing import ImportOrder, Imports, Report
from services.ingest.imports import Draft, ImportMapping, Proposal, Question, Rejected, propose, read_mapping
from services.ingest.imports.guess.proposal import SOURCE
from shared.contracts.values import write_instant
from shared.kernel.errors import InvalidInputError
from shared.sales.company import DEFAULT_PIPELINE, LOST, WON

_ROWS = 20
_REJECTIONS = 20
_AS_OF = Question(
    "as_of",
    "No row says when something happened: when were these files exported? A time such as 2026-03-31T18:00:00+08:00.",
    (),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewOrder:
    """What is to be looked at. Without a mapping one is guessed."""

    files: Mapping[str, Path]
    mapping: ImportMapping | None = None
    answers: Mapping[str, str] = field(default_factory=dict)
    source: str = SOURCE
    options: ImportOrder
    """How it would be imported, but for the mapping if it is guessed."""


async def preview(imports: Imports, order: PreviewOrder) -> dict[str, Any]:
    """The mapping, the columns as they are understood, the first rows as events, and the counts of a dry run.

    Nothing is stored. Raises InvalidInputError for files that cannot be used at all.
    """
    proposal = Proposal(None, ()) if order.mapping else await asyncio.to_thread(_propose, imports, order)
    said = {
        "mapping": proposal.mapping,
        "columns": [asdict(column) for column in proposal.columns],
        "questions": [asdict(question) for question in proposal.questions],
        "notes": list(proposal.notes),
        "events": [],
        "outcome": None,
    }
    if order.mapping is None and proposal.mapping is None:
        return said
    if order.options.as_of is None and not proposal.is_dated:
        return {**said, "questions": [asdict(_AS_OF)]}
    mapping = order.mapping or read_mapping((proposal.mapping or "").encode())
    events, outcome = await _dry_run(imports, replace(order.options, mapping=mapping, dry_run=True))
    return {**said, "events": events, "outcome": outcome}


def _propose(imports: Imports, order: PreviewOrder) -> Proposal:
    stages = (*imports.intake.pipelines.stages.get(DEFAULT_PIPELINE, ()), WON, LOST)
    proposal = propose(
        order.files, answers=order.answers, source=order.source, sheet=order.options.sheet, stages=stages
    )
    if proposal.mapping is None and not proposal.questions:
        raise InvalidInputError("These files say nothing that is understood: write a mapping for them.")
    return proposal


async def _dry_run(imports: Imports, order: ImportOrder) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    request = await imports.prepare(order)
    with Rejected() as rejected:
        report = Report(rejected, show=_ROWS)
        outcome = await imports.take(order, request, report, {})
    events = [_event(draft) for drafts in report.shown.values() for draft in drafts]
    return events, {**outcome, "rejections": outcome["rejections"][:_REJECTIONS]}


def _event(draft: Draft) -> dict[str, Any]:
    """As it would be accepted, personal fields included: who asks has sent them."""
    return {
        "file": draft.file,
        "row": draft.row,
        "type": draft.type,
        "source": draft.source,
        "id": draft.id,
        "subject": draft.subject,
        "time": write_instant(draft.occurred_at),
        "data": msgspec.to_builtins(draft.data),
    }
