"""`quintant replay`: what a source sent is read again by its present adapter, under the same ids."""

from collections import Counter
from datetime import date
from typing import Any

from rich.table import Table

from quintant.client import Client
from quintant.stack.report import Report

_MEANINGS = {
    "read": "deliveries and objects read again",
    "same": "events that say the same as before",
    "changed": "events that say something else now",
    "new": "events that were not there before",
    "waiting": "events that wait in the quarantine",
    "unread": "deliveries that still cannot be read",
    "vanished": "events that the adapter would no longer make; they stay as they are",
}


def replay(client: Client, name: str, since: date, *, dry_run: bool, report: Report) -> Counter[str]:
    """Go through everything since the start of that day in UTC, page by page."""
    totals: Counter[str] = Counter()
    after: str | None = None
    with report.step(f"reading {name} again"):
        while True:
            answer = client.replay(name, {"since": f"{since}T00:00:00+00:00", "after": after, "dry_run": dry_run})
            totals.update({outcome: int(answer.get(outcome, 0)) for outcome in _MEANINGS})
            after = answer.get("next")
            if after is None:
                return totals


def totals_table(totals: Counter[str], *, dry_run: bool) -> Table:
    """What came of it."""
    rows: list[tuple[str, Any]] = [(meaning, totals[outcome]) for outcome, meaning in _MEANINGS.items()]
    table = Table(title="What would change" if dry_run else "What changed", title_justify="left", show_header=False)
    table.add_column("")
    table.add_column("", justify="right")
    for meaning, count in rows:
        table.add_row(meaning, f"{count:,}")
    return table
