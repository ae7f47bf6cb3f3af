"""Cursors: what comes back is what went in, and nothing made up is taken."""

import base64
import json
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from shared.http.paging import Page, decode_cursor, encode_cursor, fingerprint, link_next
from shared.kernel.errors import MalformedError

KINDS = (str, int, Decimal, date, datetime)
KEYS = st.tuples(
    st.none() | st.text(),
    st.integers(),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.dates(),
    st.datetimes(timezones=st.just(UTC)),
)


def request(query: str, path: str = "/v1/deals") -> Request:
    return Request(
        {"type": "http", "method": "GET", "path": path, "query_string": query.encode(), "headers": [],
         "server": ("localhost", 80), "scheme": "http", "root_path": ""}
    )  # fmt: skip


@given(KEYS)
def test_a_cursor_reads_back(key: tuple[object, ...]) -> None:
    assert decode_cursor(encode_cursor(key, "q"), "q", KINDS) == key


@given(KEYS)
def test_a_cursor_of_another_query_is_refused(key: tuple[object, ...]) -> None:
    with pytest.raises(MalformedError):
        decode_cursor(encode_cursor(key, "q"), "another", KINDS)


@given(st.text() | st.binary().map(lambda raw: base64.urlsafe_b64encode(raw).rstrip(b"=").decode()))
def test_noise_is_refused(text: str) -> None:
    with pytest.raises(MalformedError):
        decode_cursor(text, "q", (str,))


@pytest.mark.parametrize(
    "made",
    [[1, "q", ["z"], "0" * 18], [2, "q", ["z"], ""], {}, [1], "x", 7, None, [1, "q", [["z"]], ""], [1, "q", None, ""]],
)
def test_a_cursor_made_by_hand_is_refused(made: object) -> None:
    text = base64.urlsafe_b64encode(json.dumps(made).encode()).rstrip(b"=").decode()
    with pytest.raises(MalformedError):
        decode_cursor(text, "q", (str,))


@pytest.mark.parametrize(
    ("key", "kinds"),
    [(("x",), (int,)), ((1,), (str,)), ((True,), (int,)), (("x",), (str, int)), (("x",), (date,)), ((1,), (Decimal,)),
     (("x",), (Decimal,))],
)  # fmt: skip
def test_a_key_of_another_shape_is_refused(key: tuple[object, ...], kinds: tuple[type, ...]) -> None:
    with pytest.raises(MalformedError):
        decode_cursor(encode_cursor(key, "q"), "q", kinds)


def test_an_overlong_cursor_is_refused_unread() -> None:
    with pytest.raises(MalformedError):
        decode_cursor("A" * 5000, "q", (str,))


def test_a_sort_key_holds_scalars_only() -> None:
    with pytest.raises(TypeError):
        encode_cursor([object()], "q")


def test_pages_of_one_query_share_a_fingerprint() -> None:
    first = fingerprint(request("stage=won&owner=a&limit=5"))
    assert fingerprint(request("owner=a&cursor=abc&stage=won&after=x")) == first
    assert fingerprint(request("owner=b&stage=won")) != first
    assert fingerprint(request("stage=won&owner=a", "/v1/leads")) != first


def test_a_page_starts_after_its_cursor() -> None:
    first = Page(10, "q")
    assert first.start(str, int) is None
    assert Page(10, "q", first.cursor_after(["a", 1])).start(str, int) == ("a", 1)


def test_the_link_is_relative_and_waits_no_more() -> None:
    assert link_next(request("limit=5&after=tok&cursor=old"), "new") == '</v1/deals?limit=5&cursor=new>; rel="next"'
