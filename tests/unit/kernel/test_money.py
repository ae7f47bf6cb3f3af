"""Money: exact, of one currency, and written so that equal numbers have equal text."""

from decimal import Decimal, DivisionByZero, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.kernel.errors import CurrencyMismatchError
from shared.kernel.money import RATE_DIGITS, Money, inverse, plain

amounts = st.decimals(-(10**15) + 1, 10**15 - 1, places=6)
quantities = st.decimals(-(10**12) + 1, 10**12 - 1, places=6)
rates = st.decimals(Decimal("1e-12"), 10**12 - 1, places=12)
euros = amounts.map(lambda amount: Money(amount, "EUR"))


@given(st.lists(euros, min_size=1, max_size=30), quantities, rates)
def test_no_sum_or_product_of_accepted_numbers_is_rounded(parts: list[Money], quantity: Decimal, rate: Decimal) -> None:
    total = parts[0]
    with localcontext(prec=5):  # the thread's own precision must not matter
        for part in parts[1:]:
            total = total + part
        worth = total.times(quantity).converted(rate, "CNY")
        back = -worth
    exact = sum((Fraction(part.amount) for part in parts), Fraction())
    assert Fraction(total.amount) == exact
    assert Fraction(worth.amount) == exact * Fraction(quantity) * Fraction(rate)
    assert (Fraction(back.amount), back.currency) == (-Fraction(worth.amount), "CNY")


@given(euros, euros, euros)
def test_amounts_of_one_currency_are_a_group(a: Money, b: Money, c: Money) -> None:
    assert a + b == b + a
    assert (a + b) + c == a + (b + c)
    assert a + b - b == a
    assert (a - a).amount == 0


@given(euros, amounts)
def test_a_sum_over_two_currencies_cannot_be_written(one: Money, amount: Decimal) -> None:
    other = Money(amount, "USD")
    with pytest.raises(CurrencyMismatchError, match=r"USD to EUR"):
        one + other
    with pytest.raises(CurrencyMismatchError, match=r"USD to EUR"):
        one - other


@given(rates)
def test_an_inverted_rate_is_off_by_half_a_digit_at_most(rate: Decimal) -> None:
    assert abs(Fraction(inverse(rate)) - 1 / Fraction(rate)) <= Fraction(RATE_DIGITS) / 2


def test_there_is_no_inverse_of_nothing() -> None:
    with pytest.raises(DivisionByZero):
        inverse(Decimal(0))


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30), st.integers(0, 8))
def test_equal_numbers_have_equal_text(number: Decimal, zeros: int) -> None:
    sign, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    same = Decimal((sign, (*digits, *(0 for _ in range(zeros))), exponent - zeros))
    assert plain(same) == plain(number)
    assert Decimal(plain(number)) == number


@given(st.integers(-3, 3), st.sampled_from(["", "-"]))
def test_nothing_is_written_as_one_zero(exponent: int, sign: str) -> None:
    assert plain(Decimal(f"{sign}0e{exponent}")) == "0"


@pytest.mark.parametrize(
    ("number", "text"), [("100", "100"), ("1e3", "1000"), ("-0.50", "-0.5"), ("1e-7", "0.0000001")]
)
def test_digits_are_written_out(number: str, text: str) -> None:
    assert plain(Decimal(number)) == text
