"""What answers look like byte by byte."""

import csv
import io
import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.http.answers import csv_text, duration_text, encode, number_text, time_text
from shared.kernel.money import Money

FINITE = st.decimals(allow_nan=False, allow_infinity=False)


class Colour(Enum):
    RED = "red"


class Pair(msgspec.Struct):
    left: int
    right: Decimal


@dataclass(frozen=True, slots=True)
class Line:
    sold_on: date
    price: Money


@given(FINITE)
def test_a_number_has_no_exponent_and_keeps_its_value(number: Decimal) -> None:
    text = number_text(number)
    assert "e" not in text.lower()
    assert Decimal(text) == number
    assert text != "-0"


@pytest.mark.parametrize(
    ("number", "text"), [("1E+3", "1000"), ("1234.50", "1234.50"), ("-0.00", "0.00"), ("1E-7", "0.0000001")]
)
def test_scale_is_kept(number: str, text: str) -> None:
    assert number_text(Decimal(number)) == text


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "sNaN"])
def test_no_answer_holds_what_is_no_number(number: str) -> None:
    with pytest.raises(ValueError, match="NaN"):
        encode({"value": Decimal(number)})


def test_floats_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        encode(float("nan"))


def test_times_are_utc_with_z() -> None:
    at = datetime(2026, 3, 1, 7, 30, tzinfo=timezone(timedelta(hours=8)))
    assert time_text(at) == "2026-02-28T23:30:00Z"
    with pytest.raises(ValueError, match="offset"):
        time_text(datetime(2026, 3, 1))  # noqa: DTZ001 - naive on purpose


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (timedelta(minutes=90), "PT5400S"),
        (timedelta(milliseconds=-500), "-PT0.5S"),
        (timedelta(), "PT0S"),
        (timedelta(days=1, microseconds=1), "PT86400.000001S"),
    ],
)
def test_durations_are_iso_8601(span: timedelta, text: str) -> None:
    assert duration_text(span) == text


def test_every_kind_of_value() -> None:
    body = {
        "line": Line(date(2026, 1, 2), Money(Decimal("1234.50"), "EUR")),
        "pair": Pair(1, Decimal("0.5")),
        "colour": Colour.RED,
        "at": datetime(2026, 1, 2, tzinfo=UTC),
        "毛利": [None, True, 3, (1, 2)],
    }
    assert json.loads(encode(body)) == {
        "line": {"sold_on": "2026-01-02", "price": {"amount": "1234.50", "currency": "EUR"}},
        "pair": {"left": 1, "right": "0.5"},
        "colour": "red",
        "at": "2026-01-02T00:00:00Z",
        "毛利": [None, True, 3, [1, 2]],
    }
    assert "毛利".encode() in encode(body)


def test_an_unknown_kind_is_a_mistake() -> None:
    with pytest.raises(TypeError, match="object"):
        encode(object())


def test_csv_lines_end_as_rfc_4180_says() -> None:
    assert csv_text(["name", "won"], [["a,b", Decimal("1E+1")], ['say "x"', None]]) == (
        'name,won\r\n"a,b",10\r\n"say ""x""",\r\n'
    )


@pytest.mark.parametrize("text", ["=1+1", "+cmd", "-2+3", "@SUM(A1)", "\tx", "\rx", "-", "+1e5"])
def test_a_formula_is_shown_not_run(text: str) -> None:
    assert next(csv.reader(io.StringIO(csv_text([text], []), newline=""))) == [f"'{text}"]


@pytest.mark.parametrize("value", ["-12.5", "+3", "plain", "a=b", Decimal("-1"), -4, date(2026, 1, 1), True])
def test_what_is_no_formula_stays(value: object) -> None:
    assert "'" not in csv_text(["x"], [[value]])


@given(st.lists(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=2, max_size=2)))
def test_a_csv_reads_back(rows: list[list[str]]) -> None:
    read = list(csv.reader(io.StringIO(csv_text(["a", "b"], rows), newline="")))[1:]
    assert [[cell.removeprefix("'") for cell in row] for row in read] == [
        [cell.removeprefix("'") for cell in row] for row in rows
    ]
