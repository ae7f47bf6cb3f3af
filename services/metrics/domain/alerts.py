"""Alert rules and the life of an episode: ok → pending → firing → acknowledged → resolved, with hysteresis. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType

from services.metrics.domain.durations import read_days
from services.metrics.domain.inquiry import Asked, Member, Related
from services.metrics.domain.kpis.declaration import Kind, Kpi
from shared.kernel.errors import ConflictError, Fault, InvalidInputError
from shared.kernel.period import Calendar, Grain


class State(StrEnum):
    """Where an episode stands. OK and RESOLVED are its ends: what follows is another episode."""

    OK = "ok"
    PENDING = "pending"
    FIRING = "firing"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"

    @property
    def is_over(self) -> bool:
        return self in (State.OK, State.RESOLVED)

    @property
    def is_burning(self) -> bool:
        return self in (State.FIRING, State.ACKNOWLEDGED)


class Comparison(StrEnum):
    """On which side of its threshold a value is trouble."""

    ABOVE = "above"
    BELOW = "below"


class Severity(StrEnum):
    """How loud it is."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class Receiver(StrEnum):
    """Where an alert goes beside the topic; addresses and secrets are settings."""

    WEBHOOK = "webhook"
    ALERTMANAGER = "alertmanager"


class Statistic(StrEnum):
    """Which number of a duration is watched."""

    MEAN = "mean"
    MEDIAN = "median"
    P90 = "p90"


AT = "at"
"""The window of everything up to today: for stocks and balances, and for history as a whole."""

_TO_DATE = {
    "week-to-date": Grain.WEEK,
    "month-to-date": Grain.MONTH,
    "quarter-to-date": Grain.QUARTER,
    "fiscal-year-to-date": Grain.FISCAL_YEAR,
}
WINDOWS = f"must be {AT}, {', '.join(_TO_DATE)}, or whole days such as P30D"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A threshold on one number. A value is trouble beyond `fire`, and trouble no more at or before `clear`."""

    title: str
    kpi: str
    comparison: Comparison
    fire: Decimal
    clear: Decimal
    where: Mapping[str, tuple[Member, ...]] = field(default_factory=lambda: MappingProxyType({}))
    window: str = AT
    basis: str | None = None
    related: Related = Related.EXCLUDE
    statistic: Statistic = Statistic.MEAN
    hold: timedelta = timedelta()
    """How long it must be trouble before it fires."""
    severity: Severity = Severity.WARNING
    receivers: tuple[Receiver, ...] = (Receiver.WEBHOOK, Receiver.ALERTMANAGER)

    def is_trouble(self, value: Decimal) -> bool:
        return value > self.fire if self.comparison is Comparison.ABOVE else value < self.fire

    def is_clear(self, value: Decimal) -> bool:
        """Between the two thresholds it is neither: what burns goes on, what does not does not begin."""
        return value <= self.clear if self.comparison is Comparison.ABOVE else value >= self.clear


@dataclass(frozen=True, slots=True)
class Mark:
    """The last transition of a rule: its state, and since when."""

    state: State
    since: datetime


@dataclass(frozen=True, slots=True)
class Transition:
    """One step of an episode. `sequence` counts within the rule."""

    rule: str
    sequence: int
    episode: str
    state: State
    at: datetime
    value: Decimal | None = None
    """What was read; None where a person acted."""
    complete_through: datetime | None = None
    caller: str | None = None


@dataclass(frozen=True, slots=True)
class StoredRule:
    """A rule and its life so far."""

    id: str
    rule: Rule
    created_at: datetime
    created_by: str
    disabled_at: datetime | None
    last: Transition | None

    @property
    def mark(self) -> Mark | None:
        """The present state; None before the first episode."""
        return None if self.last is None else Mark(self.last.state, self.last.at)


def check(rule: Rule, kpi: Kpi) -> None:
    """Raises InvalidInputError for a rule that can never work."""
    faults = []
    above = rule.comparison is Comparison.ABOVE
    if (rule.clear > rule.fire) if above else (rule.clear < rule.fire):
        faults.append(Fault("/clear", f"must not be {'above' if above else 'below'} `fire`"))
    if rule.statistic is not Statistic.MEAN and kpi.kind is not Kind.DURATION:
        faults.append(Fault("/statistic", "means nothing for this KPI"))
    try:
        days = _days(rule.window)
    except ValueError:
        faults.append(Fault("/window", WINDOWS))
    else:
        if days is not None and days < 1:
            faults.append(Fault("/window", "must be at least one day"))
        if kpi.kind in (Kind.STOCK, Kind.BALANCE) and rule.window != AT:
            faults.append(Fault("/window", f"must be {AT}: the KPI is what is there on an evening"))
    if faults:
        raise InvalidInputError("This rule can never work.", faults=faults)


def asked_by(rule: Rule, kpi: Kpi, today: date, calendar: Calendar) -> Asked:
    """The question that the rule asks on a business date."""
    days = _days(rule.window)
    start, window = None, None
    if rule.window in _TO_DATE:
        start = calendar.start_of(today, _TO_DATE[rule.window])
    elif days is not None and kpi.has_window:
        window = days
    elif days is not None:
        start = today - timedelta(days=days - 1)
    return Asked(start=start, end=today, where=rule.where, basis=rule.basis, related=rule.related, window=window)


def _days(window: str) -> int | None:
    return None if window == AT or window in _TO_DATE else read_days(window)


def observe(rule: Rule, mark: Mark | None, value: Decimal | None, now: datetime) -> list[State]:
    """The states that follow when the rule's value is read; none if nothing changes. No value is no trouble."""
    trouble = value is not None and rule.is_trouble(value)
    if mark is None or mark.state.is_over:
        return [State.PENDING, *_fired(rule, now, now)] if trouble else []
    if mark.state is State.PENDING:
        return _fired(rule, mark.since, now) if trouble else [State.OK]
    return [State.RESOLVED] if value is not None and rule.is_clear(value) else []


def _fired(rule: Rule, since: datetime, now: datetime) -> list[State]:
    return [State.FIRING] if now - since >= rule.hold else []


def deadline(rule: Rule, mark: Mark | None) -> datetime | None:
    """When the rule must be read again although nothing new was learned."""
    return mark.since + rule.hold if mark is not None and mark.state is State.PENDING else None


def acknowledged(mark: Mark) -> State:
    """Raises ConflictError unless it is firing."""
    if mark.state is not State.FIRING:
        raise ConflictError(f"This episode is {mark.state}: only one that is firing can be acknowledged.")
    return State.ACKNOWLEDGED


def ended(mark: Mark | None) -> State | None:
    """How an episode ends when its rule is disabled; None if there is none."""
    if mark is None or mark.state.is_over:
        return None
    return State.OK if mark.state is State.PENDING else State.RESOLVED
