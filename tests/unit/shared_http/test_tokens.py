"""Tokens of read-your-writes."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.kernel.errors import Fault, InvalidInputError, MalformedError
from shared.kernel.tokens import Place, Token, text_of
from shared.storage.position import Standing
from shared.storage.waiting import missing

PAIRS = st.lists(st.tuples(st.integers(0, 63), st.integers(0, 2**40)))


EPOCHS = st.integers(1, 9)
NUMBERS = st.integers(0, 2**40)


@given(st.integers(1, 99), PAIRS)
def test_a_token_reads_back(generation: int, pairs: list[tuple[int, int]]) -> None:
    token = Token.of(generation, pairs)
    assert Token.decode(token.encode()) == token


@given(st.lists(st.tuples(st.integers(1, 3), EPOCHS, st.integers(0, 63), NUMBERS), min_size=1))
def test_a_token_of_places_reads_back(places: list[Place]) -> None:
    token = Token.at(places)
    assert token is not None
    assert Token.decode(token.encode()) == token


@given(PAIRS)
def test_the_highest_number_counts_in_any_order(pairs: list[tuple[int, int]]) -> None:
    assert Token.of(1, pairs) == Token.of(1, reversed(pairs))
    assert Token.of(1, pairs).missing(dict(sorted(pairs))) == 0


@given(st.integers(1, 99), EPOCHS, st.integers(0, 63), NUMBERS)
def test_the_token_of_one_place_is_the_same_text(generation: int, epoch: int, partition: int, number: int) -> None:
    token = Token.at([(generation, epoch, partition, number)])
    assert token is not None
    assert text_of(generation, epoch, partition, number) == token.encode()


def test_of_a_generation_the_latest_epoch_counts() -> None:
    token = Token.at([(2, 1, 0, 9), (1, 1, 0, 5), (1, 2, 1, 3), (1, 1, 1, 4)])
    assert token == Token(1, ((0, 5), (1, 4)), Token(2, ((0, 9),)), epoch=2)


@given(st.integers(1, 3), st.integers(0, 9), st.integers(1, 3), st.integers(1, 9))
def test_what_an_answer_lacks(stands_in: int, stands: int, epoch: int, number: int) -> None:
    """It lacks nothing exactly if it stands in the token's epoch, at the number or beyond; of one that is over nobody
    can say which of its events still count."""
    standing = Standing({0: stands}, generation=1, epochs={0: stands_in})
    token = Token(1, ((0, number),), epoch=epoch)
    if stands_in > epoch:
        with pytest.raises(InvalidInputError) as refused:
            missing(token, standing)
        assert refused.value.faults == (Fault("after", f"must be of epoch {stands_in}"),)
    else:
        assert (missing(token, standing) == 0) == (stands_in == epoch and stands >= number)


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
        {"generation": 1, "epoch": 1, "positions": {}},
        {"generation": 1, "epoch": 0, "positions": {}},
        {"generation": 1, "epoch": "2", "positions": {}},
    ],
)
def test_a_token_made_by_hand_is_refused(body: object) -> None:
    made = base64.urlsafe_b64encode(json.dumps(body, separators=(",", ":")).encode()).rstrip(b"=").decode()
    with pytest.raises(MalformedError):
        Token.decode(made)


def test_an_overlong_token_is_refused_unread() -> None:
    with pytest.raises(MalformedError):
        Token.decode("A" * 20_000)
