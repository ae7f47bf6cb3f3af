"""The runner's report: a row for each scenario, written to docs/reliability.md by `make fault`."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from shared.kernel.clock import Clock


@dataclass(slots=True)
class Row:
    """One scenario, over all of its rounds."""

    group: str
    name: str
    rounds: int = 0
    faults: int = 0
    sent: int = 0
    events: int = 0
    comparisons: int = 0
    violations: int = 0
    to_lost: float = 0.0
    to_ready: float = 0.0


@dataclass(slots=True)
class Report:
    """What the run has found so far."""

    seed: int
    command: str
    rows: dict[str, Row] = field(default_factory=dict)
    not_run: list[str] = field(default_factory=list)

    def row(self, group: str, name: str) -> Row:
        return self.rows.setdefault(name, Row(group, name))

    def write(self, path: Path, clock: Clock) -> None:
        path.write_text(self.text(clock), encoding="utf-8")

    def text(self, clock: Clock) -> str:
        """The page."""
        rows = list(self.rows.values())
        total = Row("", "**all**")
        for row in rows:
            for name in ("rounds", "faults", "sent", "events", "comparisons", "violations"):
                setattr(total, name, getattr(total, name) + getattr(row, name))
            total.to_lost, total.to_ready = max(total.to_lost, row.to_lost), max(total.to_ready, row.to_ready)
        lines = [
            "# Reliability",
            "",
            "Written by the fault suite; do not edit. What each scenario does and what is checked after it: "
            "[explanation/fault-suite.md](explanation/fault-suite.md).",
            "",
            f"- date: {clock.now():%Y-%m-%d}",
            f"- command: `{self.command}` (seed {self.seed}; `FAULT_SEED={self.seed}` repeats it)",
            f"- **{total.violations} violations** in {total.rounds} rounds with {total.faults} faults, "
            f"{total.sent:,} deliveries, {total.comparisons:,} numbers compared with the oracle",
            f"- longest until `/readyz` told of a lost dependency {total.to_lost:.1f} s (promised: 5 s), "
            f"until it was ready after its return {total.to_ready:.1f} s (promised: 15 s)",
            "",
        ]
        for group in dict.fromkeys(row.group for row in rows):
            lines += [f"## {group}", "", *_table([row for row in rows if row.group == group]), ""]
        lines += ["## All", "", *_table([total]), ""]
        if self.not_run:
            lines += ["## Not run", "", *(f"- {one}" for one in self.not_run), ""]
        return "\n".join(lines)


def _table(rows: Sequence[Row]) -> list[str]:
    head = (
        "scenario", "rounds", "faults", "deliveries", "events checked", "comparisons", "violations",
        "not ready after (s)", "ready again after (s)",
    )  # fmt: skip
    lines = [f"| {' | '.join(head)} |", f"| --- |{' ---: |' * (len(head) - 1)}"]
    for row in rows:
        counts = (row.rounds, row.faults, row.sent, row.events, row.comparisons, row.violations)
        times = (f"{seconds:.1f}" if seconds else "–" for seconds in (row.to_lost, row.to_ready))
        lines.append(f"| {row.name} | {' | '.join(f'{count:,}' for count in counts)} | {' | '.join(times)} |")
    return lines
