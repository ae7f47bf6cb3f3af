"""How a number stands against its target: attainment, band, pace, and where it will land if it goes on like this."""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction

from services.metrics.domain.figures import rounded
from services.metrics.domain.kpis.declaration import Better
from shared.kernel.money import EXACT
from shared.kernel.period import Period

DIGITS = 6
"""Decimal places of attainment, share and pace, half-even."""

_EXCELLENT = Fraction(1)
_CORRECT = Fraction(7, 10)
_SATURDAY = 5


class Band(StrEnum):
    """What is to be done about it."""

    EXCELLENT = "excellent"
    """The target is met."""
    WATCH = "watch"
    CORRECT = "correct"
    """Below 70 %: analyse and correct."""


@dataclass(frozen=True, slots=True)
class Attainment:
    """Everything is None that is not defined: no actual value, or a target that is not above zero."""

    attainment: Decimal | None
    """Actual ÷ target; target ÷ actual where lower is better. 1 is met."""
    band: Band | None
    share: Decimal
    """Of the period's working days, how much is over."""
    pace: Decimal | None
    """The same against the part of the target that is due by now."""
    pace_band: Band | None
    landing: Decimal | None
    """The value at the period's end if it goes on like this."""


def attain(target: Decimal, actual: Decimal | None, better: Better, elapsed: Fraction, *, flow: bool) -> Attainment:
    """`elapsed` is the share of the period that is over; a number that does not grow through its period (`flow` is
    False) is due in full at any time."""
    due = elapsed if flow else Fraction(1)
    reached, paced = (_ratio(target, actual, better, share) for share in (Fraction(1), due))
    landing = None
    if actual is not None and due:
        landing = rounded(_decimal(Fraction(actual) / due), DIGITS)
    return Attainment(
        _told(reached),
        _band(reached, target, actual, better),
        rounded(_decimal(elapsed), DIGITS),
        _told(paced),
        _band(paced, target, actual, better) if due else None,
        landing,
    )


def elapsed_share(period: Period, today: date) -> Fraction:
    """The share of the working days (Monday to Friday) that have begun by `today`, which counts; of all days where the
    period has no working day."""
    if today < period.start:
        return Fraction(0)
    until = min(today, period.end)
    whole = _working_days(period.start, period.end)
    if not whole:
        return Fraction((until - period.start).days + 1, period.days)
    return Fraction(_working_days(period.start, until), whole)


def _working_days(start: date, end: date) -> int:
    weeks, rest = divmod((end - start).days + 1, 7)
    tail = (start + timedelta(days=7 * weeks + day) for day in range(rest))
    return 5 * weeks + sum(day.weekday() < _SATURDAY for day in tail)


def _ratio(target: Decimal, actual: Decimal | None, better: Better, share: Fraction) -> Fraction | None:
    if actual is None or target <= 0 or not share:
        return None
    due = Fraction(target) * share
    if better is Better.UP:
        return Fraction(actual) / due
    return due / Fraction(actual) if actual > 0 else None


def _band(ratio: Fraction | None, target: Decimal, actual: Decimal | None, better: Better) -> Band | None:
    if ratio is None:
        # Nothing at all of what should be little: no quotient can say how good that is.
        nothing_bad = actual is not None and actual <= 0 < target and better is Better.DOWN
        return Band.EXCELLENT if nothing_bad else None
    if ratio >= _EXCELLENT:
        return Band.EXCELLENT
    return Band.CORRECT if ratio < _CORRECT else Band.WATCH


def _told(ratio: Fraction | None) -> Decimal | None:
    return None if ratio is None else rounded(_decimal(ratio), DIGITS)


def _decimal(ratio: Fraction) -> Decimal:
    return EXACT.divide(Decimal(ratio.numerator), Decimal(ratio.denominator))
