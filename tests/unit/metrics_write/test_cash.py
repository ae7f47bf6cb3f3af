"""What payments post: cash on the day it counts, bills until they are cleared, and parts that sum to the whole."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings

from services.metrics.domain.ledgers import CashDimensions, CashMeasures
from shared.kernel.journal import Assertion
from shared.kernel.ledger import Cells
from tests.unit.metrics_write.company import now, posted, references, said, total, usd
from tests.unit.metrics_write.partition import as_known, told
from tests.unit.metrics_write.stories import Told, stories

_SETTINGS = settings(max_examples=100)


def payment(event: str = "1", day: str = "2026-03-10", **fields: Any) -> Assertion:
    usual = {"kind": "receipt", "instrument": "transfer", "amount": usd("100"), "received_on": "2026-03-10"}
    return said(day, event, **{"customer_id": "acme", **usual, **fields})


def value(cells: Cells, fact: str, **where: Any) -> Decimal | None:
    found = total(cells, fact, **where)
    return None if found is None else CashMeasures(*found).value  # type: ignore[arg-type]


def test_a_receipt_counts_when_it_was_received() -> None:
    cells = posted("payment", payment())
    assert value(cells, "received", day=date(2026, 3, 10), instrument="transfer", customer="acme") == 100
    assert value(cells, "on-account", day=date(2026, 3, 10), document=None) == 100
    assert {cell.fact for cell in cells} == {"received", "on-account"}
    assert [total(cells, fact)[0] for fact in ("received", "on-account")] == [1, 0]  # type: ignore[index]


def test_a_payment_that_is_all_allocated_leaves_no_rest_without_a_rate() -> None:
    euros = {"amount": "100", "currency": "EUR"}
    cells = posted("payment", payment(amount=euros, allocations={"I-1": euros}))
    unconverted = {cell.fact: CashMeasures(*measures).unconverted for cell, measures in cells.items()}  # type: ignore[arg-type]
    assert unconverted == {"received": 1, "applied": 1}


@pytest.mark.parametrize("missing", ["amount", "received_on"])
def test_a_payment_without_amount_or_day_is_none_yet(missing: str) -> None:
    unsaid: dict[str, Any] = {missing: None}
    assert posted("payment", payment(**unsaid)) == {}
    assert now(posted("payment", payment(), said("2026-03-12", "2", ended=True))) == {}


@pytest.mark.parametrize("instrument", ["bill", "letter_of_credit"])
def test_a_bill_counts_when_it_is_cleared_and_is_pending_until_then(instrument: str) -> None:
    bill = payment(instrument=instrument, matures_on="2026-06-10")
    pending = posted("payment", bill)
    assert value(pending, "bill-pending", until="2026-03-09") is None
    assert value(pending, "bill-pending", until="2026-12-31", instrument=instrument) == 100
    assert value(pending, "received") is None
    cleared = posted("payment", bill, said("2026-06-11", "2", cleared_on="2026-06-10"))
    assert value(cleared, "bill-pending", until="2026-06-09") == 100
    assert value(cleared, "bill-pending", until="2026-06-10") is None
    assert value(cleared, "received") == value(cleared, "received", day=date(2026, 6, 10)) == 100
    assert value(cleared, "received", known="2026-06-10") is None


def test_a_dishonoured_bill_never_counted() -> None:
    cells = posted("payment", payment(instrument="bill"), said("2026-06-11", "2", reversed_on="2026-06-10"))
    assert value(cells, "bill-pending", until="2026-06-09") == 100
    assert value(cells, "bill-pending") is None
    assert {fact for fact, _, _ in now(cells)} == {"bill-pending"}


def test_a_reversal_takes_back_on_its_day_what_had_counted_then() -> None:
    rates = references(
        exchange_rate={
            "spot:EUR/USD": [said("2026-01-01", "1", rate="1.1"), said("2026-01-01", "2", since="2026-04-01", rate="2")]
        }
    )
    events = (payment(amount={"amount": "100", "currency": "EUR"}), said("2026-05-02", "2", reversed_on="2026-05-01"))
    cells = posted("payment", *events, references=rates)
    assert value(cells, "received", until="2026-04-30") == 110
    assert value(cells, "received", day=date(2026, 5, 1)) == -110
    assert value(cells, "received") is value(cells, "on-account") is None
    assert value(cells, "received", known="2026-05-01") == 110


def test_a_refund_is_positive_and_lowers_the_account() -> None:
    cells = posted("payment", payment(kind="refund"))
    assert value(cells, "refunded") == 100
    assert value(cells, "on-account") == -100
    assert value(cells, "received") is None
    applied = posted("payment", payment(kind="refund", allocations={"INV-1": usd("100")}))
    assert value(applied, "applied", document="INV-1") == -100


def test_allocations_settle_documents_and_leave_the_rest() -> None:
    first = payment(allocations={"INV-1": usd("60"), "INV-2": usd("30")})
    cells = posted("payment", first)
    assert value(cells, "applied", document="INV-1") == 60
    assert value(cells, "applied", document="INV-2") == 30
    assert value(cells, "unallocated", document=None) == 10
    assert value(cells, "on-account") is None
    moved = posted("payment", first, said("2026-03-20", "2", allocations={"INV-1": None, "INV-3": usd("40")}))
    assert value(moved, "applied", document="INV-1") is None
    assert value(moved, "applied", document="INV-3", day=date(2026, 3, 10)) == 40
    assert value(moved, "unallocated") == 30
    assert value(moved, "applied", document="INV-1", known="2026-03-19") == 60
    none = posted("payment", first, said("2026-03-20", "2", allocations=None))
    assert value(none, "unallocated") == 100


def test_what_is_allocated_beyond_the_amount_is_shown() -> None:
    cells = posted("payment", payment(allocations={"INV-1": usd("130")}))
    assert value(cells, "applied") == 130
    assert value(cells, "unallocated") == -30


def test_pending_bills_move_with_their_customers_owner() -> None:
    told_of = references(
        customer={
            "acme": [
                said("2026-01-01", "1", owner_id="ann"),
                said("2026-01-01", "2", since="2026-04-01", owner_id="bo"),
            ]
        }
    )
    cells = posted("payment", payment(instrument="bill"), references=told_of)
    assert value(cells, "bill-pending", until="2026-03-31", member="ann") == 100
    assert value(cells, "bill-pending", until="2026-04-01", member="ann") is None
    assert value(cells, "bill-pending", until="2026-04-01", member="bo") == 100


@given(stories("payment"))
@_SETTINGS
def test_the_parts_of_the_cash_are_the_cash_on_every_day(story: list[Told]) -> None:
    """In each currency, whatever was allocated, reversed, cleared or contradicted."""
    sums: dict[tuple[date, str | None], Decimal] = {}
    for (_, day, fact, dimensions), measures in as_known(told(story)).items():
        if fact != "bill-pending":
            whole = {"received": 1, "refunded": -1}.get(fact, 0)
            key = (day, CashDimensions(*dimensions).currency)  # type: ignore[arg-type]
            original = CashMeasures(*measures).original  # type: ignore[arg-type]
            sums[key] = sums.get(key, Decimal(0)) + (original * whole if whole else -original)
    assert not any(sums.values())


@given(stories("payment"))
@_SETTINGS
def test_no_bill_is_pending_twice_or_after_it_counts(story: list[Told]) -> None:
    cells = as_known(told(story))
    for until in sorted({day for _, day, _, _ in cells}):
        counts: dict[str, int] = {}
        for (_, day, fact, _), measures in cells.items():
            if day <= until and fact in ("bill-pending", "received", "refunded"):
                counts[fact] = counts.get(fact, 0) + int(measures[0])
        assert all(count >= 0 for count in counts.values())
        assert sum(counts.values()) <= len({event.key for event in story if not event.is_reference})
