"""What strangers may send as JSON, and what is refused before any recursive parser sees it."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.strict_json import MAX_DEPTH, Number, check_depth, parse
from shared.kernel.errors import MalformedError, TooLargeError

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


@given(JSON, st.booleans())
def test_valid_json_is_read_as_it_is(value: object, ascii_only: bool) -> None:
    assert parse(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@pytest.mark.parametrize("text", ["0", "-1", "1.10", "1e5", "123456789012345678901234567890.5", "9" * 5000])
def test_a_number_stays_as_it_was_written(text: str) -> None:
    number = parse(text.encode())
    assert number == text
    assert isinstance(number, Number)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not JSON"),
        (b'{"a":1', "not JSON"),
        (b"{} {}", "not JSON"),
        (b"{'a':1}", "not JSON"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b'{"a":"\x00"}', "not JSON"),
        (b'{"a":"\xff"}', "not UTF-8 (byte 6)"),
        (b'{"a":NaN}', "NaN is no JSON number"),
        (b'{"a":-Infinity}', "-Infinity is no JSON number"),
        (b'{"a":1,"a":1}', "the same key twice"),
        (b'[{"b":{"a":1,"\\u0061":2}}]', "the same key twice"),
        (b'{"a":"\\u0000"}', "U+0000"),
        (b'{"\\u0000":1}', "U+0000"),
        (b'["\\ud800"]', "surrogate"),
    ],
)
def test_malformed(body: bytes, reason: str) -> None:
    with pytest.raises(MalformedError) as refused:
        parse(body)
    assert reason in refused.value.detail


def test_an_escaped_backslash_before_u0000_is_harmless() -> None:
    assert parse(b'"\\\\u0000"') == "\\u0000"


@pytest.mark.parametrize("pair", ["[]", "{}"])
def test_the_deepest_nesting_is_accepted_and_one_more_refused(pair: str) -> None:
    def nested(depth: int) -> bytes:
        opening = pair[0] if pair == "[]" else '{"a":'
        innermost = pair
        return (opening * (depth - 1) + innermost + pair[1] * (depth - 1)).encode()

    parse(nested(MAX_DEPTH))
    with pytest.raises(TooLargeError):
        parse(nested(MAX_DEPTH + 1))


@given(st.lists(st.sampled_from(["[]", "{}"]), min_size=MAX_DEPTH, max_size=MAX_DEPTH + 1))
def test_the_depth_is_exact_whatever_nests_in_what(levels: list[str]) -> None:
    body = "".join('{"a":' if one == "{}" else "[" for one in levels[:-1]) + levels[-1]
    body += "".join(one[1] for one in reversed(levels[:-1]))
    if len(levels) == MAX_DEPTH:
        parse(body.encode())
    else:
        with pytest.raises(TooLargeError):
            parse(body.encode())


def test_brackets_inside_strings_and_wide_arrays_do_not_count() -> None:
    parse(json.dumps(["[" * 100 + '\\"{', [[]] * 100]).encode())


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a":' * 100_000, b"[" * 100_000 + b"}" * 100_000])
def test_unclosed_nesting_is_refused_without_recursion(body: bytes) -> None:
    with pytest.raises(TooLargeError):
        parse(body)


def test_brackets_of_two_kinds_close_nothing() -> None:
    with pytest.raises(MalformedError):
        parse(b"[}" * 100_000)


def test_a_truncated_body_with_many_brackets_is_malformed_not_too_deep() -> None:
    with pytest.raises(MalformedError):
        parse(json.dumps([{"a": [1]}] * 50).encode()[:-1])


@pytest.mark.parametrize("body", [b'"\\"' * 300_000, b'"' + b'\\"' * 300_000, b"[" * 40 + b'"\\' * 300_000])
def test_the_depth_check_is_linear_in_hostile_text(body: bytes) -> None:
    started = time.process_time()
    for text in (body, b"[" * 40 + body):
        try:
            check_depth(text)
        except TooLargeError:
            continue
    assert time.process_time() - started < 2  # quadratic would be hours
