"""The limits of decimals, ids, currencies and instants, and that the published pattern says the same as the decoder."""

import json
import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.canonical import canonical
from shared.contracts.entities import ENTITIES, decode_data
from shared.contracts.events.sales import Deal, Feedback
from shared.contracts.generate.schemas import schemas
from shared.contracts.values import read_instant
from shared.kernel.errors import InvalidInputError

FEEDBACK = ENTITIES["feedback"]
SCORE_PATTERN = re.compile(schemas()["feedback"]["properties"]["score"]["anyOf"][0]["pattern"])


def score(literal: str) -> Decimal:
    """The score that is read from a JSON literal, a string or a number."""
    feedback = decode_data(FEEDBACK, b'{"id":"F","score":%s}' % literal.encode())
    assert isinstance(feedback, Feedback)
    assert isinstance(feedback.score, Decimal)
    return feedback.score


def reasons(slug: str, **fields: object) -> dict[str, str]:
    """Why an entity with these fields is refused, by pointer."""
    body = json.dumps({"id": "X"} | fields).encode()
    with pytest.raises(InvalidInputError) as refused:
        decode_data(ENTITIES[slug], body)
    return {fault.where: fault.reason for fault in refused.value.faults}


@given(st.decimals(min_value=-(10**15) + 1, max_value=10**15 - 1, places=6))
def test_every_amount_within_the_limits_is_read_exactly(amount: Decimal) -> None:
    plain = format(amount, "f")
    assert score(f'"{plain}"') == amount
    assert score(plain) == amount


@pytest.mark.parametrize(
    ("literal", "amount"),
    [("0.1", "0.1"), ("1e3", "1000"), ("1.5E+2", "150"), ("12e-6", "0.000012"), ("1.10000000", "1.1"), ("-0", "0")],
)
def test_json_numbers_are_read_as_written(literal: str, amount: str) -> None:
    assert score(literal) == Decimal(amount)


@pytest.mark.parametrize(
    "literal",
    [
        '"NaN"', '"Infinity"', '"-Infinity"', '"sNaN"', '"1e3"', '"1E400"', '"1,5"', '"1_000"', '" 1"', '"1 "', '"+1"',
        '""', '"01"', '".5"', '"5."', '"١"', '"0x10"', '"1000000000000000"', '"0.0000001"', "1e400", "1e-400",
        "1e99999999999", "1000000000000000", "1e15", "0.0000001", "9" * 1000, "true", "{}", "[]",
    ],
)  # fmt: skip
def test_other_amounts_are_refused_with_the_rule(literal: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        score(literal)
    (fault,) = refused.value.faults
    assert fault.where == "/score"
    assert "at most 15 digits before the point and 6 after it" in fault.reason


@given(st.text("0123456789.-+eE_ ", max_size=12))
def test_the_schema_pattern_accepts_what_the_decoder_accepts(text: str) -> None:
    try:
        score(json.dumps(text))
        accepted = True
    except InvalidInputError:
        accepted = False
    assert accepted == bool(SCORE_PATTERN.search(text))


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**14), max_value=10**14, places=4))
def test_equal_numbers_have_equal_canonical_text(amount: Decimal) -> None:
    public, _ = canonical(Feedback(id="F", score=amount))
    padded, _ = canonical(Feedback(id="F", score=Decimal(f"{amount:f}00")))
    assert public == padded
    assert Decimal(json.loads(public)["score"]) == amount
    assert "E" not in json.loads(public)["score"]


def test_zeros_before_the_point_stay() -> None:
    assert canonical(Feedback(id="F", score=Decimal("1E+2")))[0] == b'{"id":"F","score":"100"}'
    assert canonical(Feedback(id="F", score=Decimal("100.00")))[0] == b'{"id":"F","score":"100"}'


@pytest.mark.parametrize("rate", ["0", "0.000", "-1", "1e2", "0.0000000000001", "1000000000000"])
def test_rates_are_greater_than_zero(rate: str) -> None:
    assert "greater than zero" in reasons("exchange-rate", id="spot:EUR/USD", rate=rate)["/rate"]


@pytest.mark.parametrize("probability", ["-0.1", "1.01", "70", "70%", "0.1234567"])
def test_probabilities_lie_between_0_and_1(probability: str) -> None:
    assert "from 0 to 1" in reasons("deal", probability=probability)["/probability"]


@pytest.mark.parametrize("probability", ["0", "1", "1.000", "0.7", "0.70"])
def test_probabilities_may_be_the_bounds(probability: str) -> None:
    deal = decode_data(ENTITIES["deal"], json.dumps({"id": "D", "probability": probability}).encode())
    assert isinstance(deal, Deal)
    assert deal.probability == Decimal(probability)


@pytest.mark.parametrize("amount", ["0", "0.00", "-5"])
def test_payments_are_greater_than_zero(amount: str) -> None:
    found = reasons("payment", amount={"amount": amount, "currency": "EUR"})
    assert "greater than zero" in found["/amount/amount"]


@pytest.mark.parametrize("currency", ["XXX", "XTS", "eur", "EURO", "EU", "", "ABC", "€"])
def test_unknown_currencies_are_refused(currency: str) -> None:
    found = reasons("deal", amount={"amount": "1", "currency": currency})
    assert found.keys() == {"/amount/currency"}


@pytest.mark.parametrize("entity_id", ["", " x", "x ", "a\nb", "a\tb", "x" * 256])
def test_ids_are_short_and_printable(entity_id: str) -> None:
    assert reasons("deal", id=entity_id).keys() == {"/id"}


@pytest.mark.parametrize(
    "day", ["1899-12-31", "2200-01-01", "2026-02-30", "20260301", "2026-3-1", "yesterday", 20260301]
)
def test_impossible_and_distant_days_are_refused(day: object) -> None:
    assert reasons("deal", created_on=day).keys() == {"/created_on"}


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-03-31T09:00:00+08:00", "2026-03-31T01:00:00+00:00"),
        ("2026-03-31T09:00:00Z", "2026-03-31T09:00:00+00:00"),
        ("1900-01-01T00:00:00+14:00", "1899-12-31T10:00:00+00:00"),
    ],
)
def test_instants_are_read_as_utc(text: str, utc: str) -> None:
    assert read_instant(text).isoformat() == utc


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("2026-03-31T09:00:00", "offset"),
        ("2026-03-31", "RFC 3339"),
        ("1774947600", "RFC 3339"),
        ("2026-03-31T24:00:00Z", "RFC 3339"),
        ("2026-03-31T09:00:00+99:00", "RFC 3339"),
        ("0001-01-01T00:00:00+14:00", "years 1900 to 2199"),
        ("9999-12-31T23:59:59-12:00", "years 1900 to 2199"),
    ],
)
def test_naive_broken_and_distant_instants_are_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read_instant(text)


def test_a_naive_instant_in_data_says_what_it_needs() -> None:
    assert "offset from UTC" in reasons("activity", started_at="2026-03-31T09:00:00")["/started_at"]
