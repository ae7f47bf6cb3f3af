"""Deals: an export says how each deal stands today, and perhaps when it was created and when it was closed."""

from collections.abc import Mapping
from typing import Any

from services.ingest.imports.guess.cells import Cells
from services.ingest.imports.guess.numbers import quoted
from services.ingest.imports.guess.tables import Column
from services.ingest.imports.guess.understood import Question
from services.ingest.imports.guess.vocabulary import normal
from shared.sales.company import LOST, WON

Tree = dict[str, Any]
_MOST_STAGES = 19
"""Words that one `is:` takes."""
_FIRST = ("title", "customer_id", "owner_id", "product_id", "channel_id", "business_line", "created_on")
"""What is taken to have been so since the deal was created; the rest is known of today only."""


def deal_templates(cells: Cells, deal_id: str, fields: Tree, notes: list[str]) -> tuple[list[Tree], list[Tree]]:
    """The templates, and the stage map that is said once."""
    stages = _stages(cells)
    created = _created(cells, deal_id, fields)
    today = {"entity": "deal", "id": deal_id, "occurred_at": "$as_of", "fields": fields}
    if stages is None:
        notes.append("No column says the stage of the deals: they are taken as in the first one.")
        return [*created, today], []
    column, labels = stages
    cells.table.use(column, "deal.stage", column.expression)
    ends = {stage: [label for label, slug in labels.items() if slug == stage] for stage in (WON, LOST)}
    over = ",".join(quoted(label) for labels_ in ends.values() for label in labels_[:_MOST_STAGES])
    is_over = f"{column.expression} | is:{over}"
    today["fields"] = {**fields, "stage": column.expression}
    once = [_stage_map(labels)]
    if not over:
        return [*created, today], once
    closed = {**today, "part": "closed", "when": is_over}
    today["when"] = f"{is_over} | not"
    return [*created, today, *_closed(cells, closed, notes)], once


def _created(cells: Cells, deal_id: str, fields: Tree) -> list[Tree]:
    for column in cells.table.saying(("created_on",)):
        moment = cells.moment(column)
        if moment is not None:
            cells.table.use(column, "when the deal was created", moment[0])
            said = {name: fields[name] for name in _FIRST if name in fields}
            return [
                {
                    "entity": "deal",
                    "part": "created",
                    "when": column.expression,
                    "id": deal_id,
                    "occurred_at": moment[0],
                    "fields": said,
                }
            ]
    return []


def _closed(cells: Cells, closed: Tree, notes: list[str]) -> list[Tree]:
    """At noon of the day on which it was closed, so after it was created; without a day, as of the export."""
    for column in cells.table.saying(("closed_on", "close_date")):
        day = cells.day(column)
        if day is not None:
            at_noon = cells.table.use(column, "when the deal was closed", f"{day} | at:12:00")
            undated = {**closed, "part": "closed-undated", "when": [closed["when"], f"{column.expression} | blank"]}
            return [{**closed, "when": [closed["when"], column.expression], "occurred_at": at_noon}, undated]
    notes.append("No column says when a deal was closed: won and lost deals are dated with the day of the export.")
    return [closed]


def _stages(cells: Cells) -> tuple[Column, Mapping[str, str]] | None:
    """The column of the stage, and the stage of each of its labels."""
    known = cells.table.words.choices["stage"]
    for column in cells.table.saying(("stage", "outcome", "status")):
        labels = column.labels
        found = {label: _stage(label, known, cells.shared.stages) for label in labels}
        is_stage = bool(column.heading.sureness("stage"))
        if not labels or not (is_stage or any(found.values())):
            continue
        if len(labels) > _MOST_STAGES * 2:
            cells.table.note(column, "has too many different values for stages")
            continue
        for label in (label for label, slug in found.items() if slug is None):
            text = f"{cells.table.sample.name}, column {column.name}: which stage is {label!r}?"
            choices = tuple(cells.shared.stages.values())
            found[label] = cells.shared.asking.ask(Question(f"stage:{label}", text, choices, cells.table.sample.name))
        return column, {label: slug for label, slug in found.items() if slug}
    return None


def _stage(label: str, known: Mapping[str, str], stages: Mapping[str, str]) -> str | None:
    """Its own name if the company has such a stage, else the usual meaning, if the company has that."""
    form = normal(label)
    if form in stages:
        return stages[form]
    usual = known.get(form)
    return usual if usual in stages.values() else None


def _stage_map(labels: Mapping[str, str]) -> Tree:
    return {
        "entity": "stage-map",
        "id": "$source | concat:'#default'",
        "occurred_at": "$as_of",
        "fields": {
            "of_source": "$source",
            "pipeline_id": "text:default",
            "stages": {label: {"stage": f"text:{slug}"} for label, slug in labels.items()},
        },
    }
