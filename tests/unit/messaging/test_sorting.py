"""A fetch in order: whatever a relay repeats, overlaps or fills later, each number is applied once and in its turn."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from aiokafka import ConsumerRecord
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.records import EpochRecord, StreamRecord
from shared.messaging.sorting import Sorted, sort
from shared.storage.position import Position
from tests.unit.messaging.records import at, event, raw

Told = StreamRecord | EpochRecord


def fetch(*numbers: int) -> list[ConsumerRecord]:
    return [raw(offset, event(number)) for offset, number in enumerate(numbers)]


def numbers(todo: Sorted) -> list[int]:
    return [one.number for one in todo.records]


@given(st.integers(0, 5), st.lists(st.integers(1, 12), max_size=20))
def test_each_number_is_applied_once_and_in_its_turn(applied: int, arriving: list[int]) -> None:
    todo = sort(fetch(*arriving), at(applied))
    expected, number, passed_over = [], applied, [0]
    for one in arriving:
        if one == number + 1:
            expected.append(one)
            number = one
        elif one > number:
            passed_over.append(one)
    assert numbers(todo) == expected
    assert todo.gap == (max(passed_over) > number)
    assert todo.duplicates + len(expected) + len(passed_over) - 1 == len(arriving)


@given(st.integers(0, 4), st.lists(st.integers(1, 8), max_size=15))
def test_a_gap_that_a_later_fetch_fills_loses_nothing(applied: int, arriving: list[int]) -> None:
    """A relay that overlaps sends everything after the gap again."""
    position = at(applied)
    for batch in (fetch(*arriving), fetch(*range(1, 9))):
        todo = sort(batch, position)
        position = at(numbers(todo)[-1]) if todo.records else position
    assert position.number == 8


def test_what_is_missing_may_come_later_in_the_same_fetch() -> None:
    todo = sort(fetch(1, 2, 4, 5, 3, 4, 5, 6), at(0))
    assert (numbers(todo), todo.gap, todo.duplicates) == ([1, 2, 3, 4, 5, 6], False, 0)
    assert sort(fetch(1, 2, 4, 5, 3), at(0)).gap


def test_poison_takes_its_turn_among_its_neighbours() -> None:
    batch = [raw(0, event(1)), raw(1, None, number=b"2"), raw(2, event(3)), raw(3, None), raw(4, None, number=b"9")]
    todo = sort(batch, at(0))
    assert (numbers(todo), todo.dead, todo.gap) == ([1, 3], [2], True)
    assert [(one.raw.offset, one.good_before) for one in todo.poison] == [(1, 1), (3, 1)]
    assert (todo.good_after, todo.end) == (0, 4)


@pytest.mark.parametrize("number", [b"", b"x", b"-1", b"1.0", b"0", b"01", b"9" * 5000, b"\xff", "²".encode()])
def test_a_number_that_cannot_be_read_is_none(number: bytes) -> None:
    todo = sort([raw(0, None, number=number), raw(1, event(1))], at(0))
    assert (numbers(todo), todo.dead, len(todo.poison), todo.gap) == ([1], [], 1, False)


def test_a_header_without_a_value_is_poison_and_no_crash() -> None:
    record = raw(0, event(1))
    emptied = replace(record, headers=tuple((name, None) for name, _ in record.headers))
    todo = sort([emptied], at(0))
    assert (todo.records, todo.dead, len(todo.poison)) == ([], [], 1)


def applied(position: Position, told: Sequence[Told]) -> tuple[list[tuple[int, int]], Position]:
    """What is applied of a stream, as (epoch, number), by a lane that trusts every epoch that begins."""
    rest: Sequence[ConsumerRecord] = [raw(offset, one) for offset, one in enumerate(told)]
    seen: list[tuple[int, int]] = []
    while rest:
        todo = sort(rest, position)
        seen += [(one.epoch, one.number) for one in todo.records]
        position = at(seen[-1][1] if todo.records else position.number, epoch=position.epoch)
        if todo.epoch is not None:
            position = at(position.number, epoch=todo.epoch.epoch)
        rest = todo.rest
    return seen, position


def test_an_epoch_begins_after_what_the_one_before_left_valid() -> None:
    told: list[Told] = [event(1), event(2), EpochRecord(epoch=2, last_valid=2), event(3, epoch=2)]
    assert applied(at(0), told) == ([(1, 1), (1, 2), (2, 3)], at(3, epoch=2))


def test_an_epoch_waits_for_what_it_left_valid() -> None:
    told: list[Told] = [EpochRecord(epoch=2, last_valid=3), event(2), event(3), event(4, epoch=2)]
    todo = sort([raw(offset, one) for offset, one in enumerate(told[:1])], at(1))
    assert (todo.epoch, todo.gap) == (None, True)
    assert applied(at(1), told) == ([(1, 2), (1, 3), (2, 4)], at(4, epoch=2))


def test_an_event_of_a_later_epoch_begins_it_without_a_record() -> None:
    """A stream that was sent again from the inbox, to somebody who had read more of the one before."""
    told = [event(1), event(2), event(3, epoch=2), event(4, epoch=2)]
    assert applied(at(0), told) == ([(1, 1), (1, 2), (2, 3), (2, 4)], at(4, epoch=2))
    todo = sort([raw(offset, one) for offset, one in enumerate(told)], at(4))
    assert (todo.records, todo.epoch) == ([], EpochRecord(epoch=2, last_valid=2))


def test_what_an_epoch_says_after_its_end_is_ignored() -> None:
    told: list[Told] = [
        event(1),
        EpochRecord(epoch=2, last_valid=1),
        event(2),
        event(3),
        event(2, epoch=2),
        event(3, epoch=2),
    ]
    assert applied(at(0), told) == ([(1, 1), (2, 2), (2, 3)], at(3, epoch=2))


def test_an_epoch_record_that_comes_again_changes_nothing() -> None:
    again = EpochRecord(epoch=2, last_valid=1)
    assert applied(at(5, epoch=2), [again, event(6, epoch=2), again]) == ([(2, 6)], at(6, epoch=2))


def test_a_gap_before_a_new_epoch_is_no_gap_of_it() -> None:
    todo = sort([raw(0, event(9)), raw(1, EpochRecord(epoch=2, last_valid=1)), raw(2, event(2, epoch=2))], at(1))
    assert (todo.gap, todo.epoch, len(todo.rest)) == (False, EpochRecord(epoch=2, last_valid=1), 1)
