"""How much is summarised at once follows how long that takes."""

from hypothesis import given
from hypothesis import strategies as st

from services.metrics.summaries import LIMIT, Step


@given(st.floats(1e-6, 1e-2), st.integers(1, 30))
def test_on_any_machine_a_step_comes_to_last_some_seconds_or_reaches_a_bound(each: float, turns: int) -> None:
    step = Step()
    for _ in range(turns):
        before = step.limit
        step.took(each * before)
        assert step.least <= step.limit <= LIMIT
    for _ in range(30):
        step.took(each * step.limit)
    assert step.short <= each * step.limit <= step.long or step.limit in {step.least, LIMIT}


def test_a_step_that_failed_is_halved_as_often_as_it_fails_and_grows_again() -> None:
    step = Step()
    for _ in range(20):
        step.failed()
    assert step.limit == step.least
    for _ in range(20):
        step.took(0.1)
    assert step.limit == LIMIT
