"""Numbers on the screen are the numbers of the answer, only easier to read."""

import pytest

from quintant.screen import amount


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"amount": "10005534.00", "currency": "USD"}, "10,005,534.00 USD"),
        ({"amount": "-0.5", "currency": "EUR"}, "-0.5 EUR"),
        ("0.6315", "0.6315"),
        ("1E+3", "1,000"),
        (8800, "8,800"),
        (None, "–"),
        ("not known", "not known"),
    ],
)
def test_amounts(value: object, shown: str) -> None:
    assert amount(value) == shown


def test_ratios_are_shown_in_percent() -> None:
    assert amount("0.6315005215", "ratio") == "63.15 %"
    assert amount(None, "ratio") == "–"
