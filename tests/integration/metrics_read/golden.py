"""The two public data sets as journals: what a mapping makes of the files, said here independently of the presets."""

import csv
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from shared.kernel.journal import Journal, Value
from shared.sales.references import Key
from tests.integration.metrics_read.books import said

_FILES = Path("quintant/demo_data")
_LONG_AGO = date(2003, 1, 1)
_EXPORTED = date(2017, 12, 31)
_STAGES = {"Won": "won", "Lost": "lost", "Engaging": "qualification", "Prospecting": "prospecting"}

Journals = dict[Key, Journal]


def _rows(name: str) -> Iterator[dict[str, str]]:
    with (_FILES / name).open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def _usd(amount: str) -> dict[str, Value]:
    return {"amount": amount, "currency": "USD"}


def _always(**fields: Value) -> Journal:
    return (said("1", _LONG_AGO, fields),)


def crm_references() -> Journals:
    """Agents under managers under regions; sectors; list prices."""
    references: Journals = {}
    for row in _rows("maven-crm/sales_teams.csv"):
        team, region = f"team of {row['manager']}", row["regional_office"]
        references[Key("member", row["sales_agent"])] = _always(unit_id=team)
        references[Key("organisation-unit", team)] = _always(kind="team", manager_id=row["manager"], parent_id=region)
        references[Key("organisation-unit", region)] = _always(kind="region")
    for row in _rows("maven-crm/accounts.csv"):
        references[Key("customer", row["account"])] = _always(sector=row["sector"])
    for row in _rows("maven-crm/products.csv"):
        references[Key("product", row["product"])] = _always(category=row["series"], price=_usd(row["sales_price"]))
    return references


def deals() -> Journals:
    """Engaged when they say so, closed when they say so; those without a date are known from the export's day."""
    journals: Journals = {}
    for row in _rows("maven-crm/sales_pipeline.csv"):
        engaged = date.fromisoformat(row["engage_date"]) if row["engage_date"] else None
        fields: dict[str, Value] = {
            "owner_id": row["sales_agent"],
            "product_id": row["product"].replace("GTXPro", "GTX Pro"),
            "customer_id": row["account"] or None,
            "business_line": "hardware",
        }
        stage = _STAGES[row["deal_stage"]]
        journals[Key("deal", row["opportunity_id"])] = _life(row, fields, stage, engaged)
    return journals


def _life(row: dict[str, str], fields: dict[str, Value], stage: str, engaged: date | None) -> Journal:
    if engaged is None:
        return (said("1", _EXPORTED, {**fields, "stage": stage}),)
    fields["created_on"] = row["engage_date"]
    if not row["close_date"]:
        return (said("1", engaged, {**fields, "stage": stage}),)
    closing = {"stage": stage, "amount": _usd(row["close_value"])}
    opening = said("1", engaged, {**fields, "stage": "qualification"})
    return opening, said("2", date.fromisoformat(row["close_date"]), closing)


def wholesale_references() -> Journals:
    """Products with line and cost."""
    return {
        Key("product", row["productCode"]): _always(
            category=row["productLine"], cost=_usd(row["buyPrice"]), unit="piece"
        )
        for row in _rows("classicmodels/Products.csv")
    }


def orders() -> Journals:
    """Orders, and a shipment of each that left and was not cancelled."""
    lines: dict[str, dict[str, Value]] = {}
    for row in _rows("classicmodels/OrderDetails.csv"):
        price = _usd(row["priceEach"])
        line = {"product_id": row["productCode"], "quantity": row["quantityOrdered"], "unit_price": price}
        lines.setdefault(row["orderNumber"], {})[row["orderLineNumber"]] = line
    journals: Journals = {}
    for row in _rows("classicmodels/Orders.csv"):
        number, status = row["orderNumber"], "cancelled" if row["status"] == "Cancelled" else "confirmed"
        frame = {"customer_id": row["customerNumber"], "business_line": "models", "lines": lines[number]}
        ordered = {**frame, "status": status, "ordered_on": row["orderDate"]}
        journals[Key("order", number)] = (said("1", date.fromisoformat(row["orderDate"]), ordered),)
        if row["shippedDate"] and status != "cancelled":
            shipped = {**frame, "shipped_on": row["shippedDate"]}
            journals[Key("shipment", number)] = (said("1", date.fromisoformat(row["shippedDate"]), shipped),)
    return journals


def payments() -> Journals:
    """Cash on account: the file does not say what it pays."""
    journals: Journals = {}
    for row in _rows("classicmodels/Payments.csv"):
        fields = {
            "customer_id": row["customerNumber"],
            "business_line": "models",
            "kind": "receipt",
            "instrument": "cheque",
            "amount": _usd(row["amount"]),
            "received_on": row["paymentDate"],
        }
        key = Key("payment", f"{row['customerNumber']}-{row['checkNumber']}")
        journals[key] = (said("1", date.fromisoformat(row["paymentDate"]), fields),)
    return journals
