"""Brier, skill, reliability, and the walk through the past that decides whether age is used."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from services.forecast.domain import calibration
from services.forecast.domain.winning import ClosedDeal, Place, Rules, Source, Visit, learn
from shared.kernel.errors import InvalidInputError
from tests.unit.forecast.series import seeded

PLACE = Place("direct", "proposal")
DAY = date(2025, 1, 1)
MONTHS = [DAY + timedelta(days=30 * i) for i in range(4, 14)]
END = DAY + timedelta(days=600)
HALF = Decimal("0.5")


def past(*, seed: int, age_matters: bool, count: int = 1_200) -> list[ClosedDeal]:
    """Deals of a year. Where age matters, four of five that close within three weeks are won, later one of five."""
    draw = seeded(seed)
    deals = []
    for number in range(count):
        entered = DAY + timedelta(days=draw.randrange(365))
        days = draw.randrange(1, 43)
        share = (0.8 if days <= 21 else 0.2) if age_matters else 0.5
        left = entered + timedelta(days=days)
        deals.append(ClosedDeal(str(number), draw.random() < share, left, left, (Visit(PLACE, entered, left),)))
    return deals


def test_brier_and_skill_by_hand() -> None:
    said = [Decimal("0.9"), Decimal("0.2")]
    assert calibration.brier(said, [True, False]) == pytest.approx((0.01 + 0.04) / 2)
    assert calibration.brier_skill(said, [HALF, HALF], [True, False]) == pytest.approx(1 - 0.025 / 0.25)
    assert calibration.brier_skill(said, [Decimal(1), Decimal(0)], [True, False]) is None
    with pytest.raises(InvalidInputError):
        calibration.brier([], [])


def test_reliability_and_ece_by_hand() -> None:
    said = [Decimal("0.11"), Decimal("0.19"), Decimal("1"), Decimal("0.95")]
    curve = calibration.reliability(said, [False, True, True, True])
    assert [(bin_.low, bin_.high, bin_.said, bin_.happened.hits) for bin_ in curve] == [
        (Decimal("0.1"), Decimal("0.2"), Decimal("0.15"), 1),
        (Decimal("0.9"), Decimal("1"), Decimal("0.975"), 2),
    ]
    assert calibration.expected_calibration_error(curve) == pytest.approx((0.35 * 2 + 0.025 * 2) / 4)
    with pytest.raises(InvalidInputError):
        calibration.expected_calibration_error([])


def test_age_is_used_where_it_helps_on_unseen_deals() -> None:
    judged = calibration.judge(past(seed=1, age_matters=True), Rules(), said_on=MONTHS, as_of=END)
    assert len(judged) > 300
    assert calibration.places_without_skill(judged) == frozenset()


def test_without_signal_the_stage_rate_stays() -> None:
    deals = past(seed=2, age_matters=False)
    judged = calibration.judge(deals, Rules(), said_on=MONTHS, as_of=END)
    ageless = calibration.places_without_skill(judged)
    assert ageless == {PLACE}
    found = learn(deals, Rules(), as_of=END).without_age(ageless).probability(PLACE, 40, {})
    assert found is not None
    assert found.source is Source.STAGE


def test_too_few_judged_deals_keep_the_stage_rate() -> None:
    judged = calibration.judge(past(seed=1, age_matters=True), Rules(), said_on=MONTHS, as_of=END)
    assert calibration.places_without_skill(judged[: calibration.LEAST_JUDGED - 1]) == {PLACE}


def test_what_was_said_holds_nothing_of_what_came_after() -> None:
    """Turning every outcome after an evening leaves what was said on that evening as it was."""
    deals = past(seed=3, age_matters=True)
    evening = MONTHS[5]
    turned = [
        one if one.closed_on <= evening else ClosedDeal(one.deal, not one.won, one.closed_on, one.known_on, one.visits)
        for one in deals
    ]
    before, after = (calibration.judge(history, Rules(), said_on=[evening], as_of=END) for history in (deals, turned))
    assert [(one.deal, one.by_age, one.by_stage) for one in before] == [
        (one.deal, one.by_age, one.by_stage) for one in after
    ]
    assert all(one.won is not other.won for one, other in zip(before, after, strict=True))
    assert before


def test_only_deals_open_that_evening_and_closed_since_are_judged() -> None:
    deals = past(seed=4, age_matters=True)
    evening, as_of = MONTHS[5], MONTHS[6]
    open_then = {one.deal for one in deals if one.visits[0].entered_on <= evening < one.closed_on <= as_of}
    judged = calibration.judge(deals, Rules(), said_on=[evening], as_of=as_of)
    assert {one.deal for one in judged} == open_then


def test_a_place_without_history_is_not_judged() -> None:
    assert calibration.judge(past(seed=5, age_matters=True), Rules(), said_on=[DAY], as_of=END) == ()
