from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from services.metrics.domain.balance import Account, balance
from services.metrics.domain.kpis.declaration import Side

AMOUNTS = st.decimals(-1000, 1000, places=2)


@st.composite
def accounts(draw: st.DrawFn) -> Account:
    amount = draw(AMOUNTS)
    return Account(draw(st.sampled_from(["a", "b", "c"])), amount, amount)


@given(st.lists(accounts()))
def test_both_sides_together_are_everything(several: list[Account]) -> None:
    owed = balance(Side.RECEIVABLE, several, Decimal(0), 0).value
    ahead = balance(Side.PREPAYMENT, several, Decimal(0), 0).value
    assert owed is not None
    assert ahead is not None
    assert owed >= 0
    assert ahead >= 0
    assert owed - ahead == sum(account.told for account in several)


def test_who_has_paid_all_owes_nothing_whatever_the_rates_did() -> None:
    settled = Account("a", Decimal(0), Decimal("-3.20"))
    figure = balance(Side.RECEIVABLE, [settled, Account("b", Decimal(5), Decimal("5.50"))], Decimal(0), 0)
    assert figure.value == Decimal("5.50")
    assert figure.parts["customers"] == 1
    assert figure.beside["exchange_difference"] == Decimal("-3.20")


def test_cash_that_no_document_takes_is_prepaid() -> None:
    figure = balance(Side.PREPAYMENT, [Account("a", Decimal(-1), Decimal(-1))], Decimal("-7.50"), 2)
    assert figure.value == Decimal("8.50")
    assert figure.counts["unconverted"] == 2


def test_cash_that_no_document_takes_leaves_nothing_out_of_what_is_owed() -> None:
    owing = Account("a", Decimal(1), Decimal(1), unconverted=3)
    figure = balance(Side.RECEIVABLE, [owing], Decimal("-7.50"), 2)
    assert figure.value == Decimal(1)
    assert figure.counts["unconverted"] == 3


def test_nothing_is_plain_zero() -> None:
    assert str(balance(Side.PREPAYMENT, [], Decimal(0), 0).value) == "0"
