"""The screens: what runs where, and the numbers of the company."""

import shutil
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from quintant.stack.survey import Row

_MEGABYTE = 1_048_576
_TRIES = (
    ("kpi deals-won-value --by region --grain quarter", "who won how much, and when"),
    ("kpi gross-profit --by category", "what earns the money"),
    ("doctor", "is everything well, and if not, what to do"),
)


def parts_table(rows: Sequence[Row]) -> Table:
    """What runs where."""
    table = Table(title="What runs where", title_justify="left")
    table.add_column("")
    table.add_column("part")
    table.add_column("address", no_wrap=True)
    table.add_column("pid", justify="right")
    table.add_column("memory", justify="right")
    for row in rows:
        mark = Text("●", style="green" if row.trouble is None else "red")
        where = row.address + ("/docs" if row.name.endswith("-api") and row.address else "")
        shown = where if row.trouble is None else f"{where} {row.trouble}".strip()
        memory = f"{row.resident_bytes / _MEGABYTE:,.0f} MB" if row.resident_bytes else ""
        table.add_row(mark, row.name, shown, str(row.pid or "not ours" if row.address else ""), memory)
    total = sum(row.resident_bytes for row in rows)
    table.add_section()
    table.add_row("", "", "", "", f"{total / _MEGABYTE:,.0f} MB")
    return table


def closing(console: Console, rows: Sequence[Row], numbers: RenderableType | None) -> None:
    """The end of `up`."""
    command = "quintant" if shutil.which("quintant") else ".venv/bin/quintant"
    tries = Table.grid(padding=(0, 2))
    for arguments, why in _TRIES:
        tries.add_row(Text(f"{command} {arguments}", style="bold cyan"), Text(why, style="dim"))
    shown = [parts_table(rows), *([numbers] if numbers else []), Panel(tries, title="Try next", title_align="left")]
    console.print(Group(*shown))


_STATISTICS = ("median", "p90", "n")
"""Beside a mean, where an answer has them."""


def kpi_table(answer: Mapping[str, Any], names: Mapping[str, str]) -> Table:
    """One KPI: a row for each period and slice. `names` are those behind the ids of persons, as far as known."""
    rows: Sequence[Mapping[str, Any]] = answer["rows"]
    dimensions: Sequence[str] = answer["by"]
    beside = [name for name in _STATISTICS if any(name in row for row in rows)]
    table = Table()
    table.add_column("period")
    for dimension in dimensions:
        table.add_column(dimension)
    table.add_column(f"mean {answer['unit']}" if beside else str(answer["unit"]), justify="right")
    for name in beside:
        table.add_column(name, justify="right")
    for row in rows:
        places = [row.get(name) for name in dimensions]
        shown = ("–" if place is None else escape(names.get(str(place), str(place))) for place in places)
        statistics = (amount(row.get(name)) for name in beside)
        table.add_row(period(row["period"]), *shown, amount(row["value"], answer["unit"]), *statistics)
    return table


def company_table(answers: Sequence[Mapping[str, Any]]) -> Table:
    """The headlines of a company: the first row of each answer, with what makes a ratio."""
    table = Table(title="The company, all its history", title_justify="left", show_header=False)
    for answer in answers:
        row = answer["rows"][0]
        made_of = f"{amount(row['numerator'])} of {amount(row['denominator'])}" if "numerator" in row else ""
        table.add_row(
            title(answer),
            Text(amount(row["value"], answer["unit"]), style="bold", justify="right"),
            Text(made_of, "dim"),
        )
    return table


def import_counts(answer: Mapping[str, Any]) -> str:
    """What became of the rows of an import."""
    counts = f"{answer['accepted']:,} events accepted, {answer['duplicate']:,} known before"
    quarantined = answer.get("quarantined", 0)
    kept = f", {quarantined:,} in quarantine" if quarantined else ""
    return f"{counts}{kept}, {answer['rejected']:,} rejected"


def title(answer: Mapping[str, Any]) -> str:
    """In English."""
    return str(answer["title"]["en"])


def period(said: Mapping[str, Any]) -> str:
    """Its name, else its days."""
    if said["name"]:
        return str(said["name"])
    start, end = said["start"] or "…", said["end"] or "…"
    return "all" if start == end == "…" else f"{start} – {end}"


def amount(value: Any, unit: str = "") -> str:
    """A KPI's value as a person reads it: money with its currency, thousands apart, ratios in percent."""
    if unit == "ratio" and isinstance(value, str):
        return f"{Decimal(value) * 100:.2f} %"
    if isinstance(value, Mapping) and "amount" in value:
        return f"{_grouped(str(value['amount']))} {value.get('currency', '')}".strip()
    if isinstance(value, bool) or value is None:
        return "–" if value is None else str(value)
    if isinstance(value, int):
        return f"{value:,}"
    return _grouped(str(value))


def _grouped(text: str) -> str:
    try:
        return f"{Decimal(text):,f}"
    except InvalidOperation:
        return text
