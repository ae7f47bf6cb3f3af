"""How much poison a partition stands, and that nothing is counted twice."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.kernel.errors import StoppedError
from shared.messaging.dead_letters import Limits, Tally
from shared.messaging.sorting import sort
from shared.messaging.track import Track
from tests.unit.messaging.records import at, event, raw

few = Limits(consecutive=3, share=0.2, window=20, least=10)


@given(st.lists(st.booleans(), max_size=60))
def test_limits_are_those_of_a_naive_count(good: list[bool]) -> None:
    tally = Tally(few)
    for index, one in enumerate(good):
        seen = good[: index + 1]
        recent = seen[-few.window :]
        run = next((n for n, was in enumerate(reversed(seen)) if was), len(seen))
        bad = recent.count(False)
        beyond = run > few.consecutive or (len(recent) >= few.least and bad > few.share * len(recent))
        if one:
            tally.good(1)
        elif beyond:
            with pytest.raises(StoppedError, match=f"{run} records in a row and {bad} of the last {len(recent)}"):
                tally.bad("t partition 0", "no JSON")
        else:
            tally.bad("t partition 0", "no JSON")


@given(st.integers(0, 50), st.integers(0, 50))
def test_many_good_ones_are_counted_like_one_by_one(before: int, after: int) -> None:
    at_once, one_by_one = Tally(few), Tally(few)
    at_once.good(before)
    at_once.good(after)
    for _ in range(before + after):
        one_by_one.good(1)
    assert at_once == one_by_one


def test_no_good_ones_break_no_run() -> None:
    tally = Tally(few)
    for _ in range(3):
        tally.bad("t", "x")
        tally.good(0)
    with pytest.raises(StoppedError):
        tally.bad("t", "x")


def test_a_batch_that_is_tried_again_is_counted_and_buried_once() -> None:
    track = Track("t partition 0", Tally(few), heard=0.0)
    batch = [raw(0, event(1)), raw(1, None, number=b"2"), raw(2, event(3)), raw(3, None)]
    for _ in range(10):
        todo = sort(batch, at(0))
        track.judge(todo)
        track.bury(track.letters(todo))
    assert track.letters(sort(batch, at(0))) == []
    once = Tally(few)
    once.good(1)
    once.bad("t", "x")
    once.good(1)
    once.bad("t", "x")
    assert track.tally == once


def test_in_another_log_offsets_mean_other_records() -> None:
    track = Track("t partition 0", Tally(few), heard=0.0)
    todo = sort([raw(0, None, number=b"1")], at(0))
    track.judge(todo)
    track.bury(track.letters(todo))
    track.begin_again()
    assert len(track.letters(todo)) == 1


def test_poison_that_was_passed_over_in_a_gap_is_buried_when_its_turn_comes() -> None:
    track = Track("t partition 0", Tally(few), heard=0.0)
    early = [raw(0, event(1)), raw(1, None, number=b"3"), raw(2, None)]
    todo = sort(early, at(0))
    track.judge(todo)
    track.bury(track.letters(todo))
    assert [one.raw.offset for one in todo.poison] == [2]
    late = sort([*early, raw(3, event(2)), raw(4, None, number=b"3")], at(1))
    assert [one.offset for one, _ in track.letters(late)] == [4]
    found = sort([raw(0, event(1)), raw(1, None, number=b"3")], at(2))
    assert [one.offset for one, _ in track.letters(found)] == [1]
