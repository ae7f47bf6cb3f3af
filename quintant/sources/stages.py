"""What the stages of a source stand for: a proposal, the person's corrections, and the events that say it."""

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import typer
from rich.markup import escape
from rich.table import Table

from quintant.sources.cards import StageFound
from quintant.terminal import console

DEFAULT_PIPELINE = "default"
_TYPE = "io.quintant.stage-map.changed.v1"
_CHANGE = re.compile(r"(\d+)\s+(\S+)")
Stages = Mapping[str, Sequence[str]]
"""The stages of each configured pipeline, won and lost included."""


@dataclass(frozen=True, slots=True)
class Row:
    """One label of the source in one of our pipelines; without `stage` its deals wait in the quarantine."""

    pipeline: str
    label: str
    title: str
    stage: str | None


def proposal(
    found: Sequence[StageFound], usual: Mapping[str, str], pipelines: Mapping[str, str], known: Stages
) -> list[Row]:
    """From what the source's API says; else its usual labels, for each pipeline into which its deals may come.

    `usual` is label → stage as the adapter proposes; `pipelines` is the source's pipeline → ours.
    """
    if found:
        rows = [
            Row(ours, one.label, one.title, _guess(one, usual, known.get(ours, ())))
            for one in found
            for ours in [pipelines.get(one.pipeline, DEFAULT_PIPELINE)]
        ]
    else:
        targets = dict.fromkeys([DEFAULT_PIPELINE, *pipelines.values()])
        rows = [
            Row(ours, label, "", _if_known(stage, known.get(ours, ())))
            for ours in targets
            for label, stage in usual.items()
        ]
    return _once(rows)


def _guess(one: StageFound, usual: Mapping[str, str], known: Sequence[str]) -> str | None:
    if one.outcome:
        return one.outcome
    by_words = {label.casefold(): stage for label, stage in usual.items()}
    names = (one.label, one.title)
    candidates = (*(by_words.get(name.casefold()) for name in names), *(_slug(name) for name in names))
    # A label that merely looks like a slug is no guess; what the adapter says is one even if nothing is known here.
    return next((stage for stage in candidates[:2] if stage and _if_known(stage, known)), None) or next(
        (stage for stage in candidates[2:] if stage in known), None
    )


def _if_known(stage: str, known: Sequence[str]) -> str | None:
    return stage if not known or stage in known else None


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _once(rows: Sequence[Row]) -> list[Row]:
    """Two pipelines of the source that are one here share its labels; the first that means something holds."""
    kept: dict[tuple[str, str], Row] = {}
    for row in rows:
        before = kept.get((row.pipeline, row.label))
        if before is None or before.stage is None:
            kept[row.pipeline, row.label] = row
    return list(kept.values())


def edit(rows: Sequence[Row], known: Stages) -> list[Row]:
    """Show the rows and let the person change them until they say Enter."""
    now = list(rows)
    while True:
        show(now)
        said = typer.prompt(
            "Enter to send it; NUMBER STAGE to change a line, NUMBER - to leave it out", default="", show_default=False
        ).strip()
        if not said:
            return now
        fault = _apply(now, said, known)
        if fault:
            console.print(f"[red]✗[/] {escape(fault)}", highlight=False)


def _apply(rows: list[Row], said: str, known: Stages) -> str:
    change = _CHANGE.fullmatch(said)
    place = int(change[1]) - 1 if change else -1
    if change is None or not 0 <= place < len(rows):
        return f"write a number from 1 to {len(rows)} and a stage, such as: 1 qualification"
    stage = None if change[2] == "-" else change[2]
    possible = known.get(rows[place].pipeline, ())
    if stage and possible and stage not in possible:
        return f"choose one of {', '.join(possible)}"
    rows[place] = replace(rows[place], stage=stage)
    return ""


def show(rows: Sequence[Row]) -> None:
    """Each label with what it stands for."""
    table = Table(title="What its stages stand for", title_justify="left")
    for heading in ("", "label", "title", "pipeline", "stands for"):
        table.add_column(heading, overflow="fold")
    for place, row in enumerate(rows, 1):
        stands_for = escape(row.stage) if row.stage else "[yellow]nothing yet: its deals wait[/]"
        table.add_row(str(place), escape(row.label), escape(row.title), escape(row.pipeline), stands_for)
    console.print(table)


def unknown_pipelines(rows: Sequence[Row], known: Stages) -> list[str]:
    """Pipelines into which deals would come that are not configured here."""
    return list(dict.fromkeys(row.pipeline for row in rows if known and row.pipeline not in known))


def events(name: str, rows: Sequence[Row], at: datetime) -> list[dict[str, Any]]:
    """A stage-map event for each pipeline of which something is said."""
    said: dict[str, dict[str, Any]] = {}
    for row in rows:
        if row.stage:
            said.setdefault(row.pipeline, {})[row.label] = {"stage": row.stage}
    return [_event(f"/sources/{name}", pipeline, mapped, at) for pipeline, mapped in said.items()]


def _event(source: str, pipeline: str, mapped: Mapping[str, Any], at: datetime) -> dict[str, Any]:
    subject = f"{source}#{pipeline}"
    return {
        "specversion": "1.0",
        "type": _TYPE,
        "source": "/quintant",
        "id": f"stage-map-{secrets.token_hex(8)}",
        "subject": subject,
        "time": at.isoformat(),
        "data": {"id": subject, "of_source": source, "pipeline_id": pipeline, "stages": mapped},
    }
