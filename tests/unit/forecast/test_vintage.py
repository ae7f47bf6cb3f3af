"""Stored forecasts: never overwritten, found as people had them, and scored without hindsight."""

from dataclasses import FrozenInstanceError, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from services.forecast.domain.outlook import Prediction
from services.forecast.domain.quantiles import Quantiles
from services.forecast.domain.track_record import accuracy_by_lead, outcomes
from services.forecast.domain.vintage import Vintage, first_made, in_force, require_new
from shared.kernel.errors import ConflictError
from tests.unit.forecast.series import starts

MADE = datetime(2026, 3, 2, 6, tzinfo=UTC)
STARTS = starts(24)


def prediction(end: int, lead: int, *, off: int) -> Prediction:
    """A forecast of 100 + its place in the calendar, `off` too high; the baseline is 10 too high."""
    place = end + lead
    true = Decimal(100 + place)
    spread = Quantiles(tuple(true + off + step for step in (-8, -5, -2, 0, 2, 5, 8)))
    return Prediction(STARTS[place], lead, true + off, true + 10, spread)


def vintage(end: int, *, off: int = 5, revision: int = 1, made_at: datetime = MADE) -> Vintage:
    return Vintage(
        series="won-value",
        known_at=STARTS[end] + timedelta(days=40),
        revision=revision,
        made_at=made_at,
        model="combination",
        trained_from=STARTS[0],
        trained_through=STARTS[end],
        predictions=tuple(prediction(end, lead, off=off) for lead in (1, 2, 3)),
        coverage=(),
    )


def test_is_never_overwritten() -> None:
    kept = vintage(5)
    with pytest.raises(FrozenInstanceError):
        kept.model = "ets"  # type: ignore[misc]
    with pytest.raises(ConflictError, match="next revision"):
        require_new([kept], replace(kept, model="ets"))
    require_new([kept], replace(kept, revision=2))
    require_new([kept], replace(kept, series="revenue"))
    assert kept.horizon == 3


def test_in_force_is_what_people_had_at_that_instant() -> None:
    old, new = vintage(5), vintage(6, made_at=MADE + timedelta(days=30))
    mended = replace(old, revision=2, made_at=MADE + timedelta(days=60))
    kept = [mended, new, old]
    assert in_force(kept, "won-value", at=MADE - timedelta(seconds=1)) is None
    assert in_force(kept, "won-value", at=MADE) is old
    assert in_force(kept, "won-value", at=MADE + timedelta(days=31)) is new
    assert in_force([mended, old], "won-value", at=MADE + timedelta(days=90)) is mended
    assert in_force(kept, "revenue", at=MADE) is None


def test_hindsight_does_not_count() -> None:
    old = vintage(5)
    better = vintage(5, off=0, revision=2, made_at=MADE + timedelta(days=60))
    assert first_made([better, old, vintage(6)]) == (old, vintage(6))


def actual(through: int) -> dict[date, Decimal]:
    return {STARTS[place]: Decimal(100 + place) for place in range(through + 1)}


def test_only_periods_that_are_over_have_an_outcome() -> None:
    found = outcomes([vintage(5), vintage(6)], actual(7))
    assert [(one.said.start, one.said.lead) for one in found] == [(STARTS[6], 1), (STARTS[7], 1), (STARTS[7], 2)]
    assert outcomes([vintage(5)], actual(5)) == ()


def test_accuracy_by_lead() -> None:
    found = accuracy_by_lead(outcomes([vintage(end) for end in range(5, 15)], actual(16)))
    assert {lead: one.n for lead, one in found.items()} == {1: 10, 2: 10, 3: 9}
    first = found[1]
    assert first.mae == first.rmse == 5
    assert first.value_add.fva == pytest.approx(0.5)
    assert {one.nominal: one.measured.hits for one in first.coverage} == {
        Decimal("0.50"): 0,
        Decimal("0.80"): 10,
        Decimal("0.90"): 10,
    }
    assert first.pit == (0, 10, 0, 0, 0, 0, 0, 0)
    assert accuracy_by_lead([]) == {}
