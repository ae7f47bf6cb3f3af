"""Win probability from history: counted by hand, without leaks, and falling back in the stated order."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.forecast.domain.winning import ClosedDeal, Place, Probability, Rules, Source, Tally, Visit, learn
from shared.kernel.errors import InvalidInputError

PROPOSAL = Place("direct", "proposal")
QUALIFICATION = Place("direct", "qualification")
DAY = date(2026, 1, 1)
LATER = date(2030, 1, 1)
LOOSE = Rules(bands=(0, 10, 30), prior_deals=10, least_closed=1)


def closed(
    number: int, *, won: bool, days: int, place: Place = PROPOSAL, entered: date = DAY, late: int = 0
) -> ClosedDeal:
    left = entered + timedelta(days=days)
    return ClosedDeal(f"D{number}", won, left, left + timedelta(days=late), (Visit(place, entered, left),))


HISTORY = [
    *(closed(i, won=True, days=5) for i in range(6)),
    *(closed(i, won=True, days=20) for i in range(6, 10)),
    *(closed(i, won=False, days=20) for i in range(10, 12)),
    *(closed(i, won=False, days=40) for i in range(12, 20)),
]


def test_share_won_among_those_still_there_at_that_age() -> None:
    rates = learn(HISTORY, LOOSE, as_of=LATER)
    assert rates.stages == {PROPOSAL: Tally(10, 20)}
    assert rates.bands == {(PROPOSAL, 0): Tally(10, 20), (PROPOSAL, 10): Tally(4, 14), (PROPOSAL, 30): Tally(0, 8)}


def test_a_band_is_the_mean_of_the_beta_posterior() -> None:
    rates = learn(HISTORY, LOOSE, as_of=LATER)
    for age, won, n in ((0, 10, 20), (9, 10, 20), (10, 4, 14), (29, 4, 14), (30, 0, 8), (400, 0, 8)):
        share = ((Decimal(won) + 10 * Decimal("0.5")) / (n + 10)).quantize(Decimal("1e-6"))
        assert rates.probability(PROPOSAL, age, {}) == Probability(share, Source.STAGE_AND_AGE, n)


def test_falls_back_to_the_stage_then_to_configuration_then_says_nothing() -> None:
    young = [one for one in HISTORY if one.visits[0].days < 30]
    rates = learn(young, LOOSE, as_of=LATER)
    stage = Probability(Decimal("0.833333"), Source.STAGE, 12)
    assert rates.probability(PROPOSAL, 35, {PROPOSAL: Decimal("0.7")}) == stage
    assert rates.probability(PROPOSAL, None, {}) == stage
    assert rates.without_age([PROPOSAL]).probability(PROPOSAL, 5, {}) == stage
    configured = {QUALIFICATION: Decimal("0.2")}
    assert rates.probability(QUALIFICATION, 5, configured) == Probability(Decimal("0.2"), Source.CONFIGURATION, 0)
    assert rates.probability(QUALIFICATION, 5, {}) is None


def test_a_stage_with_few_closed_deals_says_nothing() -> None:
    rates = learn(HISTORY, Rules(least_closed=21), as_of=LATER)
    assert rates.probability(PROPOSAL, 5, {PROPOSAL: Decimal("0.7")}) == Probability(
        Decimal("0.7"), Source.CONFIGURATION, 0
    )


def test_a_deal_counts_once_however_often_it_comes_back() -> None:
    visits = tuple(Visit(PROPOSAL, DAY + timedelta(days=30 * i), DAY + timedelta(days=30 * i + 12)) for i in range(3))
    rates = learn([ClosedDeal("D1", won=True, closed_on=LATER, known_on=LATER, visits=visits)], LOOSE, as_of=LATER)
    assert rates.stages == {PROPOSAL: Tally(1, 1)}
    assert rates.bands == {(PROPOSAL, 0): Tally(1, 1), (PROPOSAL, 10): Tally(1, 1)}


def test_a_deal_that_left_within_the_day_was_never_open_in_an_evening() -> None:
    rates = learn([closed(1, won=True, days=0)], LOOSE, as_of=LATER)
    assert rates.stages == {PROPOSAL: Tally(1, 1)}
    assert rates.bands == {}


deals = st.builds(
    closed,
    st.integers(0, 10_000),
    won=st.booleans(),
    days=st.integers(0, 60),
    place=st.sampled_from([PROPOSAL, QUALIFICATION]),
    entered=st.dates(DAY, DAY + timedelta(days=60)),
    late=st.integers(0, 30),
)


@given(st.lists(deals, max_size=30), st.dates(DAY, DAY + timedelta(days=150)))
def test_nothing_of_the_future_leaks(history: list[ClosedDeal], as_of: date) -> None:
    """What closed later, or became known later, changes nothing of what is answered for that day."""
    past = [one for one in history if one.closed_on <= as_of and one.known_on <= as_of]
    assert learn(history, LOOSE, as_of=as_of) == learn(past, LOOSE, as_of=as_of)


@given(st.lists(deals, max_size=30), st.randoms(use_true_random=False))
def test_order_changes_nothing(history: list[ClosedDeal], draw: object) -> None:
    shuffled = sorted(history, key=lambda _: draw.random())  # type: ignore[attr-defined]
    assert learn(history, LOOSE, as_of=LATER) == learn(shuffled, LOOSE, as_of=LATER)


@given(st.lists(deals, min_size=1, max_size=30), st.integers(-3, 200))
def test_every_probability_is_one(history: list[ClosedDeal], age: int) -> None:
    found = learn(history, LOOSE, as_of=LATER).probability(PROPOSAL, age, {})
    assert found is None or 0 <= found.value <= 1


@pytest.mark.parametrize("bad", [{"bands": ()}, {"bands": (1, 2)}, {"bands": (0, 5, 5)}, {"prior_deals": 0}])
def test_refuses_rules_without_sense(bad: dict[str, object]) -> None:
    with pytest.raises(InvalidInputError):
        Rules(**bad)  # type: ignore[arg-type]
