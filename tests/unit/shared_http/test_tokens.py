"""Tokens of read-your-writes."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.kernel.errors import MalformedError
from shared.kernel.tokens import Token, text_of

PAIRS = st.lists(st.tuples(st.integers(0, 63), st.integers(0, 2**40)))


@given(st.integers(1, 99), PAIRS)
def test_a_token_reads_back(generation: int, pairs: list[tuple[int, int]]) -> None:
    token = Token.of(generation, pairs)
    assert Token.decode(token.encode()) == token


@given(PAIRS)
def test_the_highest_number_counts_in_any_order(pairs: list[tuple[int, int]]) -> None:
    assert Token.of(1, pairs) == Token.of(1, reversed(pairs))
    assert Token.of(1, pairs).missing(dict(sorted(pairs))) == 0


@given(st.integers(1, 99), st.integers(0, 63), st.integers(0, 2**40))
def test_the_token_of_one_place_is_the_same_text(generation: int, partition: int, number: int) -> None:
    token = Token.at([(generation, partition, number)])
    assert token is not None
    assert text_of(generation, partition, number) == token.encode()


def test_missing_counts_events() -> None:
    assert Token.of(1, [(0, 10), (1, 5)]).missing({0: 7}) == 8


@given(st.text())
def test_noise_is_refused(text: str) -> None:
    with pytest.raises(MalformedError):
        Token.decode(text)


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        None,
        {"generation": 1},
        {"generation": True, "positions": {}},
        {"generation": 1, "positions": {"0": -1}},
        {"generation": 1, "positions": {"a": 1}},
        {"generation": 1, "positions": {"0": 1.5}},
        {"generation": 1, "positions": {"01": 1}},
        {"generation": 1, "positions": {}, "more": 1},
        {"generation": 1, "positions": [[0, 1]]},
        {"generation": 2**63, "positions": {}},
    ],
)
def test_a_token_made_by_hand_is_refused(body: object) -> None:
    made = base64.urlsafe_b64encode(json.dumps(body, separators=(",", ":")).encode()).rstrip(b"=").decode()
    with pytest.raises(MalformedError):
        Token.decode(made)


def test_an_overlong_token_is_refused_unread() -> None:
    with pytest.raises(MalformedError):
        Token.decode("A" * 20_000)
