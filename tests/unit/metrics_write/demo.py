"""The two demo data sets as assertions, mapped by hand from the files: no code of the project reads them here."""

import csv
from collections.abc import Iterator
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from shared.kernel.journal import Assertion, Journal
from shared.sales.references import Key, References
from tests.unit.metrics_write.company import said, usd

_FILES = Path(__file__).parents[3] / "quintant" / "demo_data"
MAVEN_UNTIL = date(2017, 12, 31)
_STAGES = {"Won": "won", "Lost": "lost"}
_ALWAYS = date(2000, 1, 1)

Journals = dict[Key, Journal]


def rows(path: str) -> Iterator[dict[str, str]]:
    with (_FILES / path).open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


@cache
def maven_references() -> References:
    """Agents in teams called after their manager, teams in regions, products with prices, accounts with sectors."""
    told: Journals = {}
    for row in rows("maven-crm/sales_teams.csv"):
        team, region = row["manager"], row["regional_office"]
        told[Key("member", row["sales_agent"])] = (said(_ALWAYS, "member", unit_id=team),)
        told[Key("organisation-unit", team)] = (said(_ALWAYS, "team", kind="team", parent_id=region, manager_id=team),)
        told[Key("organisation-unit", region)] = (said(_ALWAYS, "region", kind="region"),)
    for row in rows("maven-crm/products.csv"):
        price = usd(row["sales_price"])
        told[Key("product", row["product"])] = (said(_ALWAYS, "product", category=row["series"], price=price),)
    for row in rows("maven-crm/accounts.csv"):
        told[Key("customer", row["account"])] = (said(_ALWAYS, "account", sector=row["sector"]),)
    return References(told)


def maven_deals() -> Journals:
    """Each deal as it was engaged and as it was closed; what has no date was entered on the last day."""
    told: Journals = {}
    for row in rows("maven-crm/sales_pipeline.csv"):
        told[Key("deal", row["opportunity_id"])] = tuple(_maven_events(row))
    return told


def _maven_events(row: dict[str, str]) -> Iterator[Assertion]:
    product = row["product"].replace("GTXPro", "GTX Pro")
    who: dict[str, Any] = {"owner_id": row["sales_agent"], "product_id": product, "customer_id": row["account"] or None}
    engaged = row["engage_date"]
    stage = "prospecting" if row["deal_stage"] == "Prospecting" else "qualification"
    yield said(engaged or MAVEN_UNTIL, "engaged", stage=stage, **who)
    if row["deal_stage"] in _STAGES:
        closed, value = row["close_date"], usd(row["close_value"])
        yield said(closed, "closed", hour=13, stage=_STAGES[row["deal_stage"]], amount=value)


@cache
def models_references() -> References:
    """Products with category and cost, sales representatives in the territory of their office, customers with both."""
    told: Journals = {}
    for row in rows("classicmodels/Products.csv"):
        told[Key("product", row["productCode"])] = (
            said(_ALWAYS, "product", category=row["productLine"], cost=usd(row["buyPrice"]), unit="piece"),
        )
    for row in rows("classicmodels/Offices.csv"):
        unit = f"office-{row['officeCode']}"
        told[Key("organisation-unit", unit)] = (said(_ALWAYS, "office", kind="team", parent_id=row["territory"]),)
        told[Key("organisation-unit", row["territory"])] = (said(_ALWAYS, "territory", kind="region"),)
    for row in rows("classicmodels/Employees.csv"):
        unit = f"office-{row['officeCode']}"
        told[Key("member", row["employeeNumber"])] = (said(_ALWAYS, "employee", unit_id=unit),)
    for row in rows("classicmodels/Customers.csv"):
        owner = row["salesRepEmployeeNumber"] or None
        told[Key("customer", row["customerNumber"])] = (said(_ALWAYS, "customer", owner_id=owner),)
    return References(told)


def models_documents() -> Journals:
    """Orders with their lines, shipments of what was shipped, payments on account."""
    lines: dict[str, dict[str, object]] = {}
    for row in rows("classicmodels/OrderDetails.csv"):
        lines.setdefault(row["orderNumber"], {})[row["orderLineNumber"]] = {
            "product_id": row["productCode"],
            "quantity": row["quantityOrdered"],
            "unit_price": usd(row["priceEach"]),
        }
    told: Journals = {}
    for row in rows("classicmodels/Orders.csv"):
        number, buyer = row["orderNumber"], row["customerNumber"]
        status = "cancelled" if row["status"] == "Cancelled" else "confirmed"
        told[Key("order", number)] = (
            said(
                row["orderDate"], "order",
                customer_id=buyer, status=status, ordered_on=row["orderDate"], lines=lines[number],
            ),
        )  # fmt: skip
        if row["shippedDate"] and status != "cancelled":
            told[Key("shipment", number)] = (
                said(
                    row["shippedDate"], "shipment",
                    customer_id=buyer, order_id=number, shipped_on=row["shippedDate"], lines=lines[number],
                ),
            )  # fmt: skip
    for row in rows("classicmodels/Payments.csv"):
        told[Key("payment", row["checkNumber"])] = (
            said(
                row["paymentDate"], "payment",
                customer_id=row["customerNumber"], kind="receipt", instrument="cheque",
                amount=usd(row["amount"]), received_on=row["paymentDate"],
            ),
        )  # fmt: skip
    return told
