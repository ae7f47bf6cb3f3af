"""Ids, tokens, errors and the clock."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.kernel import errors
from shared.kernel.clock import Clock, SystemClock
from shared.kernel.errors import Fault, MalformedError, QuintantError
from shared.kernel.ids import derived_id, id_series, is_id, new_id
from shared.kernel.tokens import Token

parts = st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=4)
pairs = st.lists(st.tuples(st.integers(0, 63), st.integers(0, 2**63 - 1)), max_size=20)


@given(parts, parts)
def test_other_parts_give_another_id(one: list[str], other: list[str]) -> None:
    assert (derived_id(*one) == derived_id(*other)) == (one == other)
    assert is_id(derived_id(*one))


def test_no_two_new_ids_are_equal() -> None:
    one, other = id_series(), id_series()
    ids = [make() for make in (new_id, one, other) for _ in range(100)]
    assert len(set(ids)) == 300
    assert {len(each) for each in ids} == {32}
    assert len({each[:16] for each in ids}) == 300
    assert is_id(new_id())


@pytest.mark.parametrize("text", ["a", "A-1", "宏图", "a b", "é" * 255])
def test_printable_text_may_be_an_id(text: str) -> None:
    assert is_id(text)


@pytest.mark.parametrize("text", ["", " a", "a ", "a\n", "\x7f", "a\x00b", "a" * 256, "\u00a0a", "\x85"])
def test_control_characters_blanks_at_the_ends_and_long_text_may_not(text: str) -> None:
    assert not is_id(text)


@given(st.integers(1, 99), pairs)
def test_a_token_names_the_highest_number_of_each_partition(generation: int, numbers: list[tuple[int, int]]) -> None:
    token = Token.of(generation, numbers)
    highest = {partition: max(n for p, n in numbers if p == partition) for partition, _ in numbers}
    assert dict(token.positions) == highest
    assert Token.decode(token.encode()) == token
    assert token.missing(highest) == 0
    assert token.missing({}) == sum(highest.values())


@pytest.mark.parametrize("text", ["", "x", "A" * 20_000, base64.urlsafe_b64encode(b"[" * 9000).decode()])
def test_what_ingest_did_not_give_out_is_no_token(text: str) -> None:
    with pytest.raises(MalformedError):
        Token.decode(text)


@pytest.mark.parametrize(
    "body",
    [
        b'{"generation":1,"positions":{"01":1}}',
        b'{"generation":true,"positions":{}}',
        b'{"generation":1,"positions":{"0":-1}}',
    ],
)
def test_a_token_has_one_spelling(body: bytes) -> None:
    with pytest.raises(MalformedError):
        Token.decode(base64.urlsafe_b64encode(body).rstrip(b"=").decode())


def test_an_error_carries_its_detail_and_its_faults() -> None:
    error = QuintantError("mend it", faults=[Fault("/id", "is required")])
    assert (str(error), error.detail, error.faults) == ("mend it", "mend it", (Fault("/id", "is required"),))
    assert QuintantError("x").faults == ()


def test_every_kind_of_error_has_a_name_of_its_own() -> None:
    slugs = [kind.slug for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, QuintantError)]
    assert len(set(slugs)) == len(slugs)


def test_the_clock_goes_on() -> None:
    clock: Clock = SystemClock()
    first, second = clock.monotonic(), clock.monotonic()
    assert first <= second
    assert clock.now().tzinfo is not None
