"""The law: cells are a pure function of the set of events, now and as known on any past day."""

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.metrics_write.partition import as_known, told
from tests.unit.metrics_write.stories import KINDS, Told, days, stories

_SETTINGS = settings(max_examples=60)


@pytest.mark.parametrize("kind", KINDS)
@given(st.data())
@_SETTINGS
def test_order_repetition_batching_and_interleaving_do_not_matter(kind: str, data: st.DataObject) -> None:
    story = data.draw(stories(kind))
    shuffled = data.draw(st.permutations(story + story[:3]))
    cut = data.draw(st.integers(0, len(shuffled)))
    one_by_one = told(*([event] for event in story))
    assert told(shuffled[:cut], shuffled[cut:]) == one_by_one
    assert told(*([event] for event in shuffled)) == one_by_one


@given(stories(*KINDS), st.integers(2, 4))
@_SETTINGS
def test_the_split_over_partitions_does_not_matter(story: list[Told], partitions: int) -> None:
    assert told(story, partitions=partitions) == told(story)


@pytest.mark.parametrize("kind", KINDS)
@given(st.data())
@_SETTINGS
def test_a_past_answer_is_what_was_answered_then(kind: str, data: st.DataObject) -> None:
    story, known = data.draw(stories(kind)), data.draw(days)
    then = told([event for event in story if event.assertion.known_on <= known])
    assert as_known(told(story), known) == as_known(then)


@given(stories(*KINDS))
@_SETTINGS
def test_what_is_known_now_does_not_depend_on_when_it_was_learned(story: list[Told]) -> None:
    at_once = [event._replace(assertion=replace(event.assertion, known_on=date(2026, 4, 1))) for event in story]
    assert as_known(told(at_once)) == as_known(told(story))
