"""Which limit holds for which path."""

from shared.http.limits import Limits


def test_the_longest_prefix_wins() -> None:
    limits = Limits(10, {"/v1/imports": 1000, "/v1/imports/small": 5})
    assert limits.for_path("/v1/events") == 10
    assert limits.for_path("/v1/imports") == 1000
    assert limits.for_path("/v1/imports/small/1") == 5
