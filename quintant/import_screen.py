"""The screens of an import: how files were understood, what they would become, and what became of them."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from quintant import screen

_SHOWN = 20
_EVENTS = 6
_STYLES = {"certain": "green", "likely": "yellow", "doubtful": "red"}
_LONGEST = 90


def show_guess(console: Console, seen: Mapping[str, Any]) -> None:
    """What each column was taken for, and what was assumed."""
    files = list(dict.fromkeys(column["file"] for column in seen["columns"]))
    for file in files:
        console.print(_columns_table(file, [column for column in seen["columns"] if column["file"] == file]))
    for note in seen["notes"]:
        console.print(f"[yellow]![/] {escape(note)}", highlight=False)


def _columns_table(file: str, columns: Sequence[Mapping[str, Any]]) -> Table:
    table = Table("column", "understood as", "sure?", "read as", title=escape(file), title_justify="left")
    for column in columns:
        if column["meaning"] is None:
            why = f"not used: {column['note']}" if column["note"] else "not used"
            table.add_row(escape(column["column"]), Text(why, "dim"), "", "")
            continue
        sure = Text(column["sureness"], _STYLES.get(column["sureness"], ""))
        table.add_row(escape(column["column"]), escape(column["meaning"]), sure, escape(column["read_as"]))
    return table


def show_preview(console: Console, seen: Mapping[str, Any]) -> None:
    """The first rows as events, and the counts."""
    table = Table("row", "event", "says", title="The first rows become", title_justify="left")
    for event in seen["events"][:_EVENTS]:
        entity = event["type"].removeprefix("io.quintant.").removesuffix(".changed.v1")
        says = ", ".join(f"{name} {_short(value)}" for name, value in event["data"].items() if name != "id")
        row = "" if event["row"] is None else str(event["row"])
        table.add_row(row, escape(f"{entity} {event['subject']}\n{event['time']}"), escape(says))
    if more := len(seen["events"]) - _EVENTS:
        table.caption = f"and {more:,} more of the first rows" if more > 0 else None
    console.print(table)
    show_outcome(console, seen["outcome"], dry_run=True)


def _short(value: object) -> str:
    if isinstance(value, dict) and "amount" in value:
        return screen.amount(value)
    text = ", ".join(map(str, value)) if isinstance(value, dict) else str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def show_outcome(console: Console, answer: Mapping[str, Any], *, dry_run: bool) -> None:
    """Counts, warnings, and the first rejections."""
    console.print(screen.import_counts(answer), "would be the outcome" if dry_run else "", highlight=False)
    for warning in answer["warnings"]:
        rows = ", ".join(str(row) for row in warning["examples"])
        where = f"{warning['file']}, {warning['count']:,} times" + (f", such as row {rows}" if rows else "")
        console.print(f"[yellow]![/] {escape(warning['text'])} [dim]({escape(where)})[/]", highlight=False)
    rejections = answer["rejections"]
    if not rejections:
        return
    table = Table("file", "row", "column", "reason", title="Rejected", title_justify="left")
    for rejection in rejections[:_SHOWN]:
        table.add_row(*(escape(str(rejection[key] or "")) for key in ("file", "row", "column", "reason")))
    if answer["rejected"] > _SHOWN:
        table.caption = f"and {answer['rejected'] - _SHOWN:,} more"
    console.print(table)
