"""The state machine of episodes: laws over any course of values, times and acknowledgements."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.metrics.domain.alerts import (
    Comparison,
    Mark,
    Rule,
    State,
    Statistic,
    acknowledged,
    asked_by,
    check,
    deadline,
    ended,
    observe,
)
from services.metrics.domain.kpis import CATALOGUE
from shared.kernel.errors import ConflictError, InvalidInputError
from shared.kernel.period import Calendar

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
ABOVE = Rule(title="too much", kpi="receivables", comparison=Comparison.ABOVE, fire=Decimal(10), clear=Decimal(8))
BELOW = Rule(title="too little", kpi="win-rate-closed", comparison=Comparison.BELOW, fire=Decimal(8), clear=Decimal(10))
CALENDAR = Calendar(ZoneInfo("Asia/Shanghai"), 4)

RULES = st.sampled_from([ABOVE, BELOW]).flatmap(
    lambda rule: st.integers(0, 30).map(lambda minutes: replace(rule, hold=timedelta(minutes=minutes)))
)
COURSE = st.lists(st.tuples(st.none() | st.integers(5, 13), st.integers(0, 20), st.booleans()), max_size=40)

ALLOWED = {
    None: {State.PENDING},
    State.OK: {State.PENDING},
    State.RESOLVED: {State.PENDING},
    State.PENDING: {State.FIRING, State.OK},
    State.FIRING: {State.ACKNOWLEDGED, State.RESOLVED},
    State.ACKNOWLEDGED: {State.RESOLVED},
}


def live(rule: Rule, course: list[tuple[int | None, int, bool]]) -> list[tuple[datetime, State, Decimal | None]]:
    """Every step that a rule takes while values come, minutes pass and somebody acknowledges."""
    steps: list[tuple[datetime, State, Decimal | None]] = []
    mark: Mark | None = None
    now = NOON
    for number, minutes, acknowledging in course:
        now += timedelta(minutes=minutes)
        value = None if number is None else Decimal(number)
        states = observe(rule, mark, value, now)
        if acknowledging and mark is not None and mark.state is State.FIRING and not states:
            states = [acknowledged(mark)]
        for state in states:
            mark = Mark(state, now)
            steps.append((now, state, value))
    return steps


@given(RULES, COURSE)
def test_it_only_ever_takes_the_steps_that_there_are(rule: Rule, course: list[tuple[int | None, int, bool]]) -> None:
    before: State | None = None
    for _, state, _ in live(rule, course):
        assert state in ALLOWED[before]
        before = state


@given(RULES, COURSE)
def test_it_fires_only_after_trouble_lasted(rule: Rule, course: list[tuple[int | None, int, bool]]) -> None:
    steps = live(rule, course)
    for (began, _, _), (fired, state, value) in pairwise(steps):
        if state is State.FIRING:
            assert fired - began >= rule.hold
            assert value is not None
            assert rule.is_trouble(value)


@given(RULES, COURSE)
def test_it_is_resolved_only_by_a_clear_value(rule: Rule, course: list[tuple[int | None, int, bool]]) -> None:
    for _, state, value in live(rule, course):
        if state is State.RESOLVED:
            assert value is not None
            assert rule.is_clear(value)


@given(RULES, COURSE)
def test_reading_the_same_again_changes_nothing(rule: Rule, course: list[tuple[int | None, int, bool]]) -> None:
    """A second evaluator, or the same one after a crash, takes no further step at the same moment."""
    mark: Mark | None = None
    now = NOON
    for number, minutes, _ in course:
        now += timedelta(minutes=minutes)
        value = None if number is None else Decimal(number)
        for state in observe(rule, mark, value, now):
            mark = Mark(state, now)
        assert observe(rule, mark, value, now) == []


@given(RULES, st.integers(5, 13))
def test_no_value_is_both_trouble_and_clear(rule: Rule, number: int) -> None:
    assert not (rule.is_trouble(Decimal(number)) and rule.is_clear(Decimal(number)))


def test_between_the_thresholds_what_burns_goes_on_and_nothing_begins() -> None:
    between = Decimal(9)
    for rule in (ABOVE, BELOW):
        assert observe(rule, None, between, NOON) == []
        assert observe(rule, Mark(State.FIRING, NOON), between, NOON) == []
        assert observe(rule, Mark(State.PENDING, NOON), between, NOON) == [State.OK]


def test_without_a_hold_it_fires_at_once() -> None:
    assert observe(ABOVE, None, Decimal(11), NOON) == [State.PENDING, State.FIRING]
    assert observe(ABOVE, Mark(State.RESOLVED, NOON), Decimal(11), NOON) == [State.PENDING, State.FIRING]


def test_no_value_ends_waiting_and_leaves_a_fire_alone() -> None:
    assert observe(ABOVE, Mark(State.PENDING, NOON), None, NOON) == [State.OK]
    assert observe(ABOVE, Mark(State.FIRING, NOON), None, NOON) == []
    assert observe(ABOVE, None, None, NOON) == []


def test_only_what_waits_has_a_deadline() -> None:
    rule = replace(ABOVE, hold=timedelta(minutes=5))
    assert deadline(rule, Mark(State.PENDING, NOON)) == NOON + timedelta(minutes=5)
    assert deadline(rule, Mark(State.FIRING, NOON)) is None
    assert deadline(rule, None) is None


def test_only_a_fire_can_be_acknowledged() -> None:
    assert acknowledged(Mark(State.FIRING, NOON)) is State.ACKNOWLEDGED
    with pytest.raises(ConflictError):
        acknowledged(Mark(State.RESOLVED, NOON))


def test_a_disabled_rule_ends_its_episode() -> None:
    assert ended(None) is None
    assert ended(Mark(State.RESOLVED, NOON)) is None
    assert ended(Mark(State.PENDING, NOON)) is State.OK
    assert ended(Mark(State.ACKNOWLEDGED, NOON)) is State.RESOLVED


@pytest.mark.parametrize(
    ("window", "start", "window_days"),
    [
        ("at", None, None),
        ("P30D", "2026-10-24", None),
        ("week-to-date", "2026-11-16", None),
        ("month-to-date", "2026-11-01", None),
        ("quarter-to-date", "2026-10-01", None),
        ("fiscal-year-to-date", "2026-04-01", None),
    ],
)
def test_windows_end_today(window: str, start: str | None, window_days: int | None) -> None:
    today = date(2026, 11, 22)
    asked = asked_by(replace(BELOW, window=window), CATALOGUE["win-rate-closed"], today, CALENDAR)
    assert asked.end == today
    assert asked.start == (date.fromisoformat(start) if start else None)
    assert asked.window == window_days


def test_a_rolling_kpi_takes_days_as_its_own_window() -> None:
    asked = asked_by(replace(BELOW, window="P90D"), CATALOGUE["sales-velocity"], date(2026, 11, 22), CALENDAR)
    assert (asked.start, asked.window) == (None, 90)


@pytest.mark.parametrize(
    ("rule", "kpi", "where"),
    [
        (replace(ABOVE, clear=Decimal(11)), "receivables", "/clear"),
        (replace(BELOW, clear=Decimal(7)), "win-rate-closed", "/clear"),
        (replace(BELOW, window="P1M"), "win-rate-closed", "/window"),
        (replace(BELOW, window="PT12H"), "win-rate-closed", "/window"),
        (replace(BELOW, window="P0D"), "win-rate-closed", "/window"),
        (replace(ABOVE, window="P30D"), "receivables", "/window"),
        (replace(BELOW, statistic=Statistic.P90), "win-rate-closed", "/statistic"),
    ],
)
def test_a_rule_that_can_never_work_is_refused(rule: Rule, kpi: str, where: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        check(rule, CATALOGUE[kpi])
    assert [fault.where for fault in caught.value.faults] == [where]


def test_rules_that_can_work_are_taken() -> None:
    check(ABOVE, CATALOGUE["receivables"])
    check(replace(BELOW, window="P30D"), CATALOGUE["win-rate-closed"])
    check(replace(BELOW, statistic=Statistic.MEDIAN), CATALOGUE["sales-cycle-won"])
