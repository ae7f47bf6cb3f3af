"""Alternating runs of ours and of a baseline, their medians and spread, and the table that is printed.

A ratio is taken within one round, so that what else the machine does falls on both of its sides. Beside it stands the
same ratio by processor time: it does not move when others take a part of the core, nor when the process only waits.
"""

import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

RUNS = int(os.environ.get("BENCH_RUNS", "5"))

_HEADER = (
    "| path | ours a second | baseline a second | ratio (spread) | by processor time | bar | aim | |",
    "| --- | --- | --- | --- | --- | --- | --- | --- |",
)


@dataclass(frozen=True, slots=True)
class Rate:
    """What one run reached."""

    a_second: float
    a_processor_second: float
    """Per second that the measured process was at work itself."""


Contestant = Callable[[int], Awaitable[Rate]]
"""Takes the number of the round."""


async def alternate(contestants: Mapping[str, Contestant], *, warm_up: bool) -> dict[str, list[Rate]]:
    """The rates of every contestant, round by round. Each round turns the order around; a warm-up is not counted."""
    rates: dict[str, list[Rate]] = {name: [] for name in contestants}
    for number in range(0 if warm_up else 1, RUNS + 1):
        for name in list(contestants)[:: 1 if number % 2 else -1]:
            rate = await contestants[name](number)
            if number:
                rates[name].append(rate)
                show(f"round {number}, {name}: {rate.a_second:,.0f} a second, {rate.a_processor_second:,.0f} at work")
    return rates


@dataclass(frozen=True, slots=True)
class Line:
    """One path beside its baseline; `ours` and `baseline` pair up by round."""

    path: str
    ours: Sequence[Rate]
    baseline: Sequence[Rate]
    bar: float
    aim: float
    holds: bool
    """The bar is met today, so that falling below it fails the run; otherwise a miss is only told."""

    @property
    def ratios(self) -> list[float]:
        return [mine.a_second / other.a_second for mine, other in zip(self.ours, self.baseline, strict=True)]

    @property
    def lean_ratios(self) -> list[float]:
        """By processor time."""
        pairs = zip(self.ours, self.baseline, strict=True)
        return [mine.a_processor_second / other.a_processor_second for mine, other in pairs]

    @property
    def ratio(self) -> float:
        """The median of the rounds."""
        return median(self.ratios)

    @property
    def verdict(self) -> str:
        return verdict(aim=self.ratio >= self.aim, bar=self.ratio >= self.bar)

    def row(self) -> str:
        rates = [f"{median(one.a_second for one in rates):,.0f}" for rates in (self.ours, self.baseline)]
        ratios = [spread(self.ratios), spread(self.lean_ratios)]
        return f"| {' | '.join([self.path, *rates, *ratios, f'{self.bar:g}', f'{self.aim:g}', self.verdict])} |"


def verdict(*, aim: bool, bar: bool) -> str:
    """What a row says at its end."""
    return "aim met" if aim else "bar met" if bar else "MISSED"


def spread(values: Sequence[float]) -> str:
    """The median, the least and the largest."""
    return f"{median(values):.3g} ({min(values):.3g}–{max(values):.3g})"


def show(*rows: str) -> None:
    """Print rows of a benchmark's answer."""
    print("\n" + "\n".join(rows))  # noqa: T201 - what a benchmark is for


def judge(*lines: Line) -> None:
    """Print the table; fail if a bar that held is missed."""
    show(*_HEADER, *(line.row() for line in lines))
    fallen = [line.path for line in lines if line.holds and line.ratio < line.bar]
    assert fallen == [], f"these met their bar before: {fallen}"
