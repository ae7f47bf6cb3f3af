"""Failpoints: a closed list of names, none of them armed unless a test says so."""

import pytest

from shared.messaging.failpoints import NAMES, Failpoints


def test_nothing_is_armed_and_every_point_is_passed() -> None:
    points = Failpoints()
    for name in NAMES:
        points.reach(name)
    assert points.armed == ""


def test_a_point_may_be_armed_for_a_later_time() -> None:
    points = Failpoints("loop.fetched:3")
    points.reach("loop.fetched")
    points.reach("loop.fetched")
    points.reach("loop.decoded")
    assert points.armed == "loop.fetched"


def test_a_point_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match=r"choose one of loop\.fetched"):
        Failpoints("loop.fechted")
