"""The evaluator: reads the rules' numbers when something new is applied, a day begins or a deadline passes.

One leads, chosen by an advisory lock; two for a moment do no harm, for a step is appended by compare-and-set. Nothing
is judged before the first `complete_through`, nor while the service is far behind: a rebuild pages nobody.
"""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal

import structlog

from services.metrics.alert_desk import Desk, inquiry_of
from services.metrics.alert_store import load_rules
from services.metrics.domain.alerts import Severity, StoredRule, Transition, deadline, observe
from services.metrics.domain.figures import Figure
from services.metrics.domain.kpis import CATALOGUE
from services.metrics.domain.kpis.declaration import Kind
from services.metrics.queries.answers import read_figure
from services.metrics.queries.snapshot import Snapshot
from shared.kernel.errors import ConflictError, InvalidInputError
from shared.telemetry import metric_names
from shared.telemetry.metrics import Metrics

_LOG = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Reading:
    """What one rule's number was."""

    stored: StoredRule
    value: Decimal | None
    complete_through: datetime | None


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the last evaluation saw."""

    positions: tuple[tuple[int, int], ...]
    complete_through: datetime | None
    today: date
    rules: frozenset[str]

    def is_worth_a_look_after(self, before: "_Seen | None") -> bool:
        """Numbers change when something is applied, and can be judged when all of it is complete; windows move with
        the day; and a new rule was never read."""
        if before is None or (self.today, self.rules) != (before.today, before.rules):
            return True
        return self.positions != before.positions and self.complete_through != before.complete_through


@dataclass(slots=True)
class Evaluator:
    """Judges every enabled rule."""

    desk: Desk
    metrics: Metrics
    behind_limit: int
    """Events that may be missing while numbers are judged."""
    pause: float = 1.0
    """Seconds between two looks at whether anything changed."""
    _seen: _Seen | None = None
    _deadlines: list[datetime] = field(default_factory=list)

    async def run(self) -> None:
        """Judge until cancelled; then another process counts the episodes. Raises UnavailableError."""
        try:
            while True:
                await self.tick()
                await asyncio.sleep(self.pause)
        finally:
            self.metrics.forget(metric_names.ALERT_EPISODES)

    async def tick(self) -> int:
        """Judge once, if there is a reason to; how many steps were taken."""
        questions = self.desk.questions
        now = questions.clock.now()
        async with questions.database.read() as reader:
            rules = await load_rules(reader)
        async with questions.snapshot() as snapshot:
            if not self._may_judge(snapshot):
                return 0
            seen = _Seen(
                tuple(sorted(snapshot.standing.positions.items())),
                snapshot.freshness.complete_through,
                questions.company.calendar.day(now),
                frozenset(stored.id for stored in rules),
            )
            if not seen.is_worth_a_look_after(self._seen) and not any(due <= now for due in self._deadlines):
                return 0
            readings = [await self._read(snapshot, stored, now) for stored in rules]
        judged = [await self._judge(reading, now) for reading in readings]
        # Seen only now, and only if nobody came between: an evaluation that failed half-way is done again.
        self._seen = None if None in judged else seen
        taken = [steps or [] for steps in judged]
        self._remember(rules, taken)
        return sum(len(steps) for steps in taken)

    def _may_judge(self, snapshot: Snapshot) -> bool:
        freshness = snapshot.freshness
        complete = freshness.complete_through is not None and snapshot.standing.first_known is not None
        return complete and freshness.events_behind <= self.behind_limit

    async def _read(self, snapshot: Snapshot, stored: StoredRule, now: datetime) -> Reading:
        questions = self.desk.questions
        try:
            inquiry = inquiry_of(stored.rule, now, questions)
            figure = await read_figure(snapshot.reader, inquiry, questions.company)
            value = value_of(stored, figure)
        except InvalidInputError as error:
            _LOG.warning("rule_cannot_be_read", rule=stored.id, reason=error.detail)
            value = None
        return Reading(stored, value, snapshot.freshness.complete_through)

    async def _judge(self, reading: Reading, now: datetime) -> list[Transition] | None:
        """The steps taken; None if somebody else took one in the meantime."""
        stored, steps = reading.stored, list[Transition]()
        states = observe(stored.rule, stored.mark, reading.value, now)
        if not states:
            return steps
        try:
            async with self.desk.questions.database.write() as writer:
                for state in states:
                    current = replace(stored, last=steps[-1]) if steps else stored
                    steps.append(
                        await self.desk.step(
                            writer,
                            current,
                            state,
                            at=now,
                            value=reading.value,
                            complete_through=reading.complete_through,
                        )
                    )
        except ConflictError:
            _LOG.info("rule_judged_elsewhere", rule=stored.id)
            return None
        return steps

    def _remember(self, rules: list[StoredRule], taken: list[list[Transition]]) -> None:
        current = [
            replace(stored, last=steps[-1]) if steps else stored for stored, steps in zip(rules, taken, strict=True)
        ]
        self._deadlines = [due for stored in current if (due := deadline(stored.rule, stored.mark)) is not None]
        burning = [stored.rule.severity for stored in current if stored.mark and stored.mark.state.is_burning]
        for severity in Severity:
            self.metrics.set(metric_names.ALERT_EPISODES, burning.count(severity), severity=severity.value)


def value_of(stored: StoredRule, figure: Figure) -> Decimal | None:
    """The number that the rule watches."""
    if CATALOGUE[stored.rule.kpi].kind is Kind.DURATION:
        number = figure.statistics[stored.rule.statistic.value]
    else:
        number = figure.value
    return None if number is None else Decimal(number)
