"""What a line of a document is worth."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from shared.kernel.journal import State
from shared.kernel.money import Money
from shared.sales.document import counts_as_ordered, line, net_amounts


def money(amount: str, currency: str = "EUR") -> dict[str, str]:
    return {"amount": amount, "currency": currency}


@pytest.mark.parametrize(
    ("said", "net"),
    [
        ({"quantity": "3", "unit_price": money("2.50")}, Money(Decimal("7.50"), "EUR")),
        ({"quantity": "3", "unit_price": money("2.50"), "discount": money("0.50")}, Money(Decimal("7.00"), "EUR")),
        ({"quantity": "3", "unit_price": money("2.50"), "net": money("9")}, Money(Decimal(9), "EUR")),
        ({"unit_price": money("2.50")}, None),  # how many is not said: that is not none
        ({"quantity": "3"}, None),
        ({}, None),
    ],
)
def test_the_net_amount_is_said_or_worked_out(said: dict[str, Any], net: Money | None) -> None:
    assert line(said).net == net


def test_a_discount_in_another_currency_leaves_the_line_without_a_value() -> None:
    """Two events may each be right and contradict each other: that must be counted, not end the worker."""
    told = {"quantity": "3", "unit_price": money("2.50"), "discount": money("1", "USD")}
    assert line(told).net is None
    assert line({**told, "net": money("7")}).net == Money(Decimal(7), "EUR")


def test_a_line_says_what_and_how_much() -> None:
    one = line({"product_id": "lamp", "quantity": "2", "unit": "piece", "tax": money("0.4")})
    assert (one.product, one.quantity, one.unit, one.tax) == ("lamp", Decimal(2), "piece", Money(Decimal("0.4"), "EUR"))
    assert (line({"product_id": None, "unit": 1}).product, line({"unit": 1}).unit) == (None, None)


def state(fields: dict[str, Any]) -> State:
    return State(datetime(2026, 3, 1, tzinfo=UTC), fields, {}, ended=False)


def test_drafts_and_cancelled_orders_do_not_count() -> None:
    counted = {status: counts_as_ordered(state({"status": status})) for status in ("confirmed", "fulfilled", "draft")}
    assert counted == {"confirmed": True, "fulfilled": True, "draft": False}
    assert counts_as_ordered(state({}))


def test_a_header_wins_over_the_lines_and_lines_without_a_value_are_left_out() -> None:
    lines = {"1": {"net": money("2")}, "2": {"net": money("3", "USD")}, "3": {}}
    assert net_amounts(state({"lines": lines})) == [Money(Decimal(2), "EUR"), Money(Decimal(3), "USD")]
    assert net_amounts(state({"lines": lines, "net": money("9")})) == [Money(Decimal(9), "EUR")]
    assert net_amounts(state({})) == []
