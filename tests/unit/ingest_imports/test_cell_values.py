"""Dates and numbers as spreadsheets write them."""

from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.imports.cell_values import (
    CellError,
    day_reader,
    instant_reader,
    read_day,
    read_decimal,
    read_decimal_comma,
    read_decimal_point,
    read_instant,
)


@given(st.dates(), st.sampled_from(["DD.MM.YYYY", "MM/DD/YYYY", "YYYYMMDD", "D-M-YYYY", "(YYYY) M.D"]))
def test_a_layout_reads_what_it_writes(day: date, layout: str) -> None:
    written = (
        layout.replace("YYYY", f"{day.year:04d}").replace("MM", f"{day.month:02d}").replace("DD", f"{day.day:02d}")
    )
    if "M" in layout.replace("MM", ""):
        written = written.replace("M", str(day.month)).replace("D", str(day.day))
    assert day_reader(layout)(written) == day


@pytest.mark.parametrize(
    "text", ["31.3.2026", "20260331", "2026-3-31", "2026-02-30", "2026-W13-2", "0000-01-01", "２０２６-03-31", "42000"]
)
def test_no_iso_date(text: str) -> None:
    with pytest.raises(CellError):
        read_day(text)


def test_times() -> None:
    assert read_instant("2026-03-31 09:00:00") == datetime(2026, 3, 31, 9)  # noqa: DTZ001 - the zone comes later
    aware = datetime(2026, 3, 31, 9, tzinfo=timezone(timedelta(hours=8)))
    assert read_instant("2026-03-31T09:00:00+08:00") == aware
    assert instant_reader("DD/MM/YYYY hh:mm")("31/03/2026 18:30") == datetime(2026, 3, 31, 18, 30)  # noqa: DTZ001
    assert read_instant("2026-03-31") == datetime(2026, 3, 31)  # noqa: DTZ001
    for text in ("20260331", "noon", ""):
        with pytest.raises(CellError):
            read_instant(text)
    for text in ("31/03/2026", "31/13/2026 00:00", "31/03/2026 25:00"):
        with pytest.raises(CellError):
            instant_reader("DD/MM/YYYY hh:mm")(text)


@pytest.mark.parametrize("layout", ["", "MM.YYYY", "DD.DD.MM.YYYY", "DD.D.MM.YYYY"])
def test_a_layout_names_a_whole_date_once(layout: str) -> None:
    with pytest.raises(ValueError, match="names YYYY"):
        instant_reader(layout)


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (read_decimal, "1234.50", "1234.50"),
        (read_decimal, "+7", "7"),
        (read_decimal, "-.5", "-0.5"),
        (read_decimal, "12.", "12"),
        (read_decimal_point, "1,234,567.80", "1234567.80"),
        (read_decimal_point, "1234.5", "1234.5"),
        (read_decimal_comma, "1.234.567,80", "1234567.80"),
        (read_decimal_comma, "1 234,5", "1234.5"),
        (read_decimal_comma, "1\u202f234,5", "1234.5"),
        (read_decimal_comma, "-0,5", "-0.5"),
    ],
)
def test_numbers(read: Callable[[str], Decimal], text: str, value: str) -> None:
    assert read(text) == Decimal(value)


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (read_decimal, "1,5"),
        (read_decimal, "1e3"),
        (read_decimal, "NaN"),
        (read_decimal, "Infinity"),
        (read_decimal, "$5"),
        (read_decimal, "(5)"),
        (read_decimal, "٣"),
        (read_decimal, "."),
        (read_decimal, "9" * 65),
        (read_decimal_point, "1,23.5"),
        (read_decimal_point, "12,34,567"),
        (read_decimal_comma, "1,234,567"),
        (read_decimal_comma, "1.23,5"),
    ],
)
def test_no_numbers(read: Callable[[str], Decimal], text: str) -> None:
    with pytest.raises(CellError):
        read(text)
