"""Entity tags and when they match (RFC 9110 section 13.1.2)."""

import pytest
from starlette.requests import Request
from starlette.responses import Response

from shared.http.caching import conditional, etag_of, matches


def request(**headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": raw})


@pytest.mark.parametrize("given", ['"a"', 'W/"a"', '"b", "a"', "*", ' "b" ,W/"a"'])
def test_matching(given: str) -> None:
    assert matches(given, '"a"')


@pytest.mark.parametrize("given", ['"b"', "a", '"A"', ""])
def test_not_matching(given: str) -> None:
    assert not matches(given, '"a"')


def test_the_same_bytes_are_not_sent_twice() -> None:
    first = conditional(request(), Response(b"x"))
    again = conditional(request(if_none_match=first.headers["etag"]), Response(b"x"))
    assert (first.status_code, again.status_code) == (200, 304)
    assert again.body == b""
    assert again.headers["etag"] == first.headers["etag"] == etag_of(b"x")
    assert first.headers["cache-control"] == "private, no-cache"


def test_other_bytes_are_sent() -> None:
    response = conditional(request(if_none_match=etag_of(b"x")), Response(b"y"))
    assert (response.status_code, response.body) == (200, b"y")


def test_only_a_success_is_cached() -> None:
    assert conditional(request(if_none_match="*"), Response(b"x", 404)).status_code == 404
