"""The demo company ends in the present week, on the weekdays on which it was published."""

import csv
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quintant.demo import DATA_SETS, DataSet

_HAPPENED = {"engage_date", "close_date", "orderDate", "shippedDate", "paymentDate"}


@given(st.sampled_from(DATA_SETS), st.dates(date(2018, 1, 1), date(2100, 1, 1)))
def test_it_ends_within_the_last_seven_days(data_set: DataSet, today: date) -> None:
    end = data_set.last_day + timedelta(weeks=data_set.shift_weeks(today))
    assert timedelta(0) <= today - end < timedelta(days=7)
    assert end.weekday() == data_set.last_day.weekday()


@pytest.mark.parametrize("data_set", DATA_SETS, ids=lambda data_set: data_set.preset)
def test_the_last_day_is_that_of_the_files(data_set: DataSet) -> None:
    happened = set()
    for path in data_set.files():
        with path.open(newline="") as stream:
            for row in csv.DictReader(stream):
                happened |= {value for column, value in row.items() if column in _HAPPENED and value}
    assert max(happened) == data_set.last_day.isoformat()
