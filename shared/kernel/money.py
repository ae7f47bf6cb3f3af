"""Money: exact decimals with a currency. A sum over two currencies cannot be written."""

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal, DivisionByZero, InvalidOperation, Overflow

from shared.kernel.errors import CurrencyMismatchError

EXACT = Context(prec=80, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, DivisionByZero, Overflow])
"""Wide enough that no sum or product of accepted amounts, quantities and rates is ever rounded."""

RATE_DIGITS = Decimal("1e-12")
"""An inverted exchange rate is rounded once, half-even, to twelve digits after the point."""


@dataclass(slots=True, unsafe_hash=True)
class Money:
    """An amount in one currency (ISO 4217 code). Never changed; not frozen, for that makes it slow to make."""

    amount: Decimal
    currency: str

    def __add__(self, other: "Money") -> "Money":
        if other.currency != self.currency:
            raise CurrencyMismatchError(f"cannot add {other.currency} to {self.currency}: convert one of them first")
        return Money(EXACT.add(self.amount, other.amount), self.currency)

    def __neg__(self) -> "Money":
        return Money(self.amount.copy_negate(), self.currency)  # unary minus would round

    def __sub__(self, other: "Money") -> "Money":
        return self + -other

    def times(self, factor: Decimal) -> "Money":
        """Exact product; nothing is rounded before the edge."""
        return Money(EXACT.multiply(self.amount, factor), self.currency)

    def converted(self, rate: Decimal, currency: str) -> "Money":
        """The amount in `currency`, at `rate` units of it for one unit of this one."""
        return Money(EXACT.multiply(self.amount, rate), currency)


def inverse(rate: Decimal) -> Decimal:
    """The rate in the other direction. Raises `decimal.DivisionByZero` for a rate of zero."""
    return EXACT.divide(Decimal(1), rate).quantize(RATE_DIGITS, context=EXACT)


def plain(number: Decimal) -> str:
    """Digits without exponent and without trailing zeros: equal numbers give equal text."""
    text = str(number)
    if "E" in text:
        text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text
