"""Orders, shipments and payments of the demo company, folded and compared with numbers computed from its files."""

import json
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from services.metrics.domain.ledgers import CashMeasures, TradeDimensions, TradeMeasures
from services.metrics.handlers import fold
from shared.kernel.ledger import Cell, Measures
from tests.unit.metrics_write import demo
from tests.unit.metrics_write.company import COMPANY

Row = tuple[Cell, Measures]


@pytest.fixture(scope="module")
def golden() -> dict[str, Any]:
    values = json.loads((Path(__file__).parents[2] / "data" / "reference_values.json").read_text("utf-8"))
    return dict(values["classicmodels"]["kpi"])


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    references = demo.models_references()
    return [
        (cell, measures)
        for key, journal in demo.models_documents().items()
        for cell, measures in fold(COMPANY, key, journal, references).owed.items()
    ]


def trade(rows: list[Row], fact: str, measure: str, by: str = "all") -> dict[str, Decimal]:
    totals: dict[str, Decimal] = {}
    for cell, measures in rows:
        if cell.fact == fact:
            key = _key(cell, by)
            totals[key] = totals.get(key, Decimal(0)) + getattr(TradeMeasures(*measures), measure)  # type: ignore[arg-type]
    return totals


def cash(rows: list[Row], fact: str, by: str = "all") -> dict[str, Decimal]:
    totals: dict[str, Decimal] = {}
    for cell, measures in rows:
        if cell.fact == fact:
            totals[_key(cell, by)] = totals.get(_key(cell, by), Decimal(0)) + CashMeasures(*measures).value  # type: ignore[arg-type]
    return totals


def _key(cell: Cell, by: str) -> str:
    match by:
        case "all":
            return "all"
        case "year":
            return str(cell.day.year)
        case "month":
            return f"{cell.day:%Y-%m}"
        case _:
            return str(getattr(cell.dimensions, by))


def exactly(expected: dict[str, float]) -> dict[str, Decimal]:
    return {key: Decimal(str(value)) for key, value in expected.items()}


def test_orders_are_counted_without_the_cancelled(rows: list[Row], golden: dict[str, Any]) -> None:
    assert trade(rows, "order", "documents") == {"all": golden["order_count"]}
    assert trade(rows, "order", "value") == {"all": Decimal(str(golden["revenue"]))}


@pytest.mark.parametrize(
    ("by", "expected"),
    [("year", "revenue_by_year"), ("month", "revenue_by_month"), ("category", "revenue_by_product_line")],
)
def test_revenue(rows: list[Row], golden: dict[str, Any], by: str, expected: str) -> None:
    assert trade(rows, "ordered", "value", by) == exactly(golden[expected])


def test_volume(rows: list[Row], golden: dict[str, Any]) -> None:
    assert trade(rows, "ordered", "quantity", "unit") == {"piece": golden["volume"]}
    assert trade(rows, "ordered", "quantity", "year") == exactly(golden["volume_by_year"])


@pytest.mark.parametrize(
    ("by", "expected"), [("year", "gross_profit_by_year"), ("category", "gross_profit_by_product_line")]
)
def test_gross_profit(rows: list[Row], golden: dict[str, Any], by: str, expected: str) -> None:
    revenue, cost = trade(rows, "ordered", "value", by), trade(rows, "ordered", "cost", by)
    assert {key: revenue[key] - cost[key] for key in revenue} == exactly(golden[expected])
    assert trade(rows, "ordered", "uncosted") == {"all": 0}


def test_collections(rows: list[Row], golden: dict[str, Any]) -> None:
    assert cash(rows, "received", "year") == exactly(golden["collections_by_year"])
    assert cash(rows, "on-account") == {"all": Decimal(str(golden["collections"]))}


def test_receivables_are_what_was_shipped_and_not_paid(rows: list[Row], golden: dict[str, Any]) -> None:
    open_by: Counter[str] = Counter()
    open_by.update(trade(rows, "billable-shipped", "value", "customer"))
    open_by.subtract(cash(rows, "on-account", "customer"))
    owing = {customer: value for customer, value in open_by.items() if value > 0}
    assert sum(owing.values()) == Decimal(str(golden["receivables_open"]))
    assert len(owing) == golden["customers_with_receivables"]
    assert sum(1 for value in open_by.values() if value < 0) == golden["customers_with_prepayment"]


def test_the_customers_representative_answers_for_documents_that_name_nobody(rows: list[Row]) -> None:
    regions = {TradeDimensions(*cell.dimensions).region for cell, _ in rows if cell.fact == "order"}  # type: ignore[arg-type]
    assert {"NA", "EMEA", "APAC"} <= regions
