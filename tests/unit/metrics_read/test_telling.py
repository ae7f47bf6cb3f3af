from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.metrics.alert_desk import receiver_of
from services.metrics.api.lineage_body import encode_pinned, read_pinned
from services.metrics.api.telling import amount_text, decimal_text, table, tell
from services.metrics.webhooks import PAUSES, Webhook, next_attempt
from shared.http.client import Delivery

NOW = datetime(2026, 11, 22, tzinfo=UTC)


@given(st.decimals(-(10**15), 10**15, places=6))
def test_equal_amounts_are_written_alike(amount: Decimal) -> None:
    longer = amount.quantize(Decimal("1e-9"))
    assert amount_text(amount) == amount_text(longer)
    assert Decimal(amount_text(amount)) == amount


def test_money_has_two_decimal_places_at_least() -> None:
    assert [amount_text(Decimal(text)) for text in ("5", "1234.5", "0.123", "-0.00", "1E+2")] == [
        "5.00", "1234.50", "0.123", "0.00", "100.00",
    ]  # fmt: skip


def test_numbers_are_never_floats() -> None:
    assert tell(Decimal("0.6300"), money=False, currency=None) == "0.63"
    assert tell(7, money=False, currency=None) == 7
    assert tell(None, money=True, currency="EUR") is None
    assert tell(Decimal("1.5"), money=True, currency="EUR") == {"amount": "1.50", "currency": "EUR"}
    assert decimal_text(Decimal("102882.000")) == "102882"


def test_a_table_has_a_column_for_every_nested_value() -> None:
    rows = [
        {"period": {"start": None, "end": None, "name": "all"}, "value": {"amount": "1.00", "currency": "USD"}},
        {"period": {"start": None, "end": None, "name": "all"}, "value": None, "won-value": 3},
    ]
    columns, lines = table({"rows": rows})
    assert columns == [
        "period_start", "period_end", "period_name", "value_amount", "value_currency", "value", "won_value",
    ]  # fmt: skip
    assert lines[0] == [None, None, "all", "1.00", "USD", None, None]
    assert lines[1] == [None, None, "all", None, None, None, 3]


def test_a_table_of_nothing_still_has_columns() -> None:
    assert table({"rows": []}) == (["period_start", "period_end", "value"], [])


@given(st.dictionaries(st.integers(0, 1000), st.integers(0, 10**12)))
def test_positions_come_back_from_a_cursor(pinned: dict[int, int]) -> None:
    assert read_pinned(encode_pinned(pinned)) == pinned


def test_each_failure_waits_longer_and_the_last_one_ends_it() -> None:
    failed = Delivery("retry", 503)
    waits = [next_attempt(failed, before, NOW) for before in range(len(PAUSES))]
    assert waits == [NOW + pause for pause in PAUSES]
    assert list(PAUSES) == sorted(PAUSES)
    assert next_attempt(failed, len(PAUSES), NOW) is None


@pytest.mark.parametrize("outcome", ["delivered", "gone"])
def test_what_is_done_is_not_tried_again(outcome: str) -> None:
    assert next_attempt(Delivery(outcome), 0, NOW) is None  # type: ignore[arg-type]


def test_a_refusal_may_be_mended_and_a_receivers_wish_is_honoured() -> None:
    assert next_attempt(Delivery("refused", 404), 0, NOW) == NOW + PAUSES[0]
    patient = Delivery("retry", 503, timedelta(hours=3))
    assert next_attempt(patient, 0, NOW) == NOW + timedelta(hours=3)


def test_a_receiver_is_known_by_something_that_tells_nothing() -> None:
    assert "token" not in receiver_of("https://example.org/hook?token=1")
    assert receiver_of("https://example.org/a") != receiver_of("https://example.org/b")
    assert "example" not in repr(Webhook("https://example.org", [b"secret"]))
