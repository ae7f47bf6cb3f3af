"""The presets against numbers that were computed from the same files without this code."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from statistics import mean, median
from typing import Any

import msgspec
import pytest

from services.ingest.imports import Draft, Importer, ImportRequest, Rejection, RowWarning, default_as_of, load_preset
from shared.contracts.entities import canonical
from shared.kernel.ids import derived_id
from shared.kernel.journal import State
from shared.sales.document import line
from tests.unit.ingest_imports.folding import amount, latest, lives
from tests.unit.ingest_imports.reading import UTC_ZONE, Outcomes

ROOT = Path(__file__).parents[3]
GOLDEN: dict[str, dict[str, Any]] = json.loads(
    (ROOT / "tests/data/reference_values.json").read_text(), parse_float=Decimal
)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
Sums = Mapping[Any, Decimal]


@cache
def imported(name: str, weeks: int = 0) -> Outcomes:
    mapping = load_preset(name)
    files = {path.name: path for path in (ROOT / "quintant/demo_data" / name).glob("*.csv")}
    request = ImportRequest(
        mapping=mapping,
        files=files,
        as_of=default_as_of(mapping, files, UTC_ZONE, NOW),
        zone=UTC_ZONE,
        shift=timedelta(weeks=weeks),
    )
    found = list(Importer().events(request))
    kinds: list[list[Any]] = [
        [one for one in found if isinstance(one, kind)] for kind in (Draft, Rejection, RowWarning)
    ]
    return Outcomes(*kinds)


def summed(states: Mapping[str, State], key: Callable[[State], Any], value: Callable[[State], Decimal]) -> Sums:
    sums: dict[Any, Decimal] = defaultdict(Decimal)
    for state in states.values():
        sums[key(state)] += value(state)
    return {name: total for name, total in sums.items() if name is not None}


def pseudonym(source: str, who: str) -> str:
    return "m-" + derived_id(source, who)[:12]


MAVEN = GOLDEN["maven-crm"]
MODELS = GOLDEN["classicmodels"]
KPI = MODELS["kpi"]


@cache
def deal_lives() -> dict[str, list[State]]:
    return lives(imported("maven-crm").drafts, "deal")


@cache
def deals() -> dict[str, State]:
    return {deal: life[-1] for deal, life in deal_lives().items()}


@cache
def won() -> dict[str, State]:
    return {deal: state for deal, state in deals().items() if state.fields["stage"] == "Won"}


def value(state: State) -> Decimal:
    return amount(state.fields["amount"])


def cycles(stage: str) -> list[int]:
    """Days from engagement to the close; the reference counts calendar days."""
    closed = [life for life in deal_lives().values() if life[-1].fields["stage"] == stage]
    return sorted((life[-1].since.date() - life[0].since.date()).days for life in closed)


def test_nothing_of_the_published_files_is_rejected() -> None:
    assert imported("maven-crm").rejections == []
    assert imported("classicmodels").rejections == []


def test_deals_by_stage() -> None:
    assert Counter(state.fields["stage"] for state in deals().values()) == MAVEN["stage_counts"]
    closed = MAVEN["stage_counts"]["Won"] + MAVEN["stage_counts"]["Lost"]
    assert round(Decimal(len(won())) / closed, 4) == MAVEN["win_rate_closed"]
    assert round(Decimal(len(won())) / len(deals()), 6) == MAVEN["win_rate_all"]


def test_won_value() -> None:
    total = sum(map(value, won().values()))
    assert total == MAVEN["won_value"] == 10_005_534
    assert round(total / len(won()), 2) == MAVEN["average_won_deal"]
    assert summed(won(), lambda one: one.since.date().isoformat()[:7], value) == MAVEN["won_value_by_month"]
    months = Counter(one.since.date().isoformat()[:7] for one in won().values())
    assert months == MAVEN["won_count_by_month"]
    lost = (one for one in deals().values() if one.fields["stage"] == "Lost")
    assert Counter(one.since.date().isoformat()[:7] for one in lost) == MAVEN["lost_count_by_month"]
    assert all("amount" not in one.fields for one in deals().values() if one.fields["stage"] != "Won")


def test_won_value_by_product_agent_and_sector() -> None:
    assert summed(won(), lambda one: one.fields["product_id"], value) == MAVEN["won_value_by_product"]
    agents = {pseudonym("/import/maven-crm", who): won for who, won in MAVEN["won_value_by_agent"].items()}
    assert summed(won(), lambda one: one.fields["owner_id"], value) == agents
    customers = latest(imported("maven-crm").drafts, "customer")

    def sector(deal: State) -> Any:
        customer = deal.text("customer_id")
        return customers[customer].fields["sector"] if customer else None

    assert summed(won(), sector, value) == MAVEN["won_value_by_sector_as_spelled"]


def test_won_value_by_manager_and_region() -> None:
    members = latest(imported("maven-crm").drafts, "member")
    units = latest(imported("maven-crm").drafts, "organisation-unit")

    def team(deal: State) -> State:
        return units[str(members[str(deal.fields["owner_id"])].fields["unit_id"])]

    managers = {pseudonym("/import/maven-crm", who): won for who, won in MAVEN["won_value_by_manager"].items()}
    assert summed(won(), lambda deal: team(deal).fields["manager_id"], value) == managers
    assert summed(won(), lambda deal: team(deal).fields["parent_id"], value) == MAVEN["won_value_by_region"]
    assert Counter(unit.fields["kind"] for unit in units.values()) == {
        "company": 1,
        "business_line": 1,
        "region": 3,
        "team": 6,
    }
    assert len(members) == 35 + 6


def test_cycles_and_open_deals() -> None:
    won_days, lost_days = cycles("Won"), cycles("Lost")
    assert round(Decimal(mean(won_days)), 2) == MAVEN["cycle_days_mean"]["Won"]
    assert round(Decimal(mean(lost_days)), 2) == MAVEN["cycle_days_mean"]["Lost"]
    assert median(won_days) == MAVEN["cycle_days_won"]["median"]
    assert median(lost_days) == MAVEN["cycle_days_lost"]["median"]
    assert won_days[-(-len(won_days) * 9 // 10) - 1] == MAVEN["cycle_days_won"]["p90_nearest_rank"]
    engaging = [one for one in deals().values() if one.fields["stage"] == "Engaging"]
    old = [one for one in engaging if (date(2017, 12, 31) - one.since.date()).days > 90]
    assert len(old) == MAVEN["open_engaging_older_than_90_days_at_2017-12-31"]


def test_the_dirt_of_the_deals_is_shown() -> None:
    shown = {(one.file, one.text): one.count for one in imported("maven-crm").warnings}
    assert shown == {
        ("data_dictionary.csv", "the mapping has no use for this file"): 1,
        ("accounts.csv", 'sector spelled "technolgy", kept as it is'): 12,
        ("accounts.csv", 'office_location: "Philipines" read as "Philippines"'): 1,
        ("sales_teams.csv", "this agent has no deal"): 5,
        ("sales_pipeline.csv", 'product: "GTXPro" read as "GTX Pro"'): 1480,
        ("sales_pipeline.csv", "without account: the customer is left unsaid"): MAVEN["deals_without_account"],
        ("sales_pipeline.csv", "without engage_date: dated with the as-of day of the export"): 500,
    }


def test_a_deal_in_its_events() -> None:
    said = [one for one in imported("maven-crm").drafts if one.subject == "1C1I7A6R"]
    assert [(one.id, one.occurred_at, json.loads(canonical(one.data)[0])) for one in said] == [
        (
            "deal-engaged:1C1I7A6R@2017-12-31T23:59:59.999999Z",
            datetime(2016, 10, 20, tzinfo=UTC),
            {
                "business_line": "hardware",
                "created_on": "2016-10-20",
                "customer_id": "Cancity",
                "id": "1C1I7A6R",
                "owner_id": pseudonym("/import/maven-crm", "Moses Frase"),
                "product_id": "GTX Plus Basic",
                "stage": "Engaging",
            },
        ),
        (
            "deal-won:1C1I7A6R@2017-12-31T23:59:59.999999Z",
            datetime(2017, 3, 1, 12, tzinfo=UTC),
            {"amount": {"amount": "1054", "currency": "USD"}, "id": "1C1I7A6R", "stage": "Won"},
        ),
    ]
    assert [one.row for one in said] == [2, 2]
    undated = next(one for one in imported("maven-crm").drafts if one.id.startswith("deal-prospecting:"))
    assert undated.occurred_at == datetime(2017, 12, 31, tzinfo=UTC)


def test_the_stages_are_mapped_before_any_deal_is_said() -> None:
    first, *_ = imported("maven-crm").drafts
    assert first.subject == "/import/maven-crm#default"
    assert msgspec.to_builtins(first.data)["stages"] == {
        "Prospecting": {"stage": "prospecting"},
        "Engaging": {"stage": "qualification"},
        "Won": {"stage": "won"},
        "Lost": {"stage": "lost"},
    }


@cache
def models(entity: str) -> dict[str, State]:
    return latest(imported("classicmodels").drafts, entity)


@cache
def ordered() -> dict[str, State]:
    return {order: state for order, state in models("order").items() if state.fields["status"] != "cancelled"}


def net(document: State) -> Decimal:
    lines = [line(one).net for one in document.entries("lines").values()]
    return sum((one.amount for one in lines if one), start=Decimal(0))


def test_orders() -> None:
    every = models("order")
    assert len(every) == MODELS["orders"]
    assert sum(len(one.entries("lines")) for one in every.values()) == MODELS["order_lines"]
    assert sum(map(net, every.values())) == MODELS["order_total"]
    assert summed(every, lambda one: str(one.fields["ordered_on"])[:4], net) == MODELS["order_total_by_year"]
    statuses = Counter(one.fields["status"] for one in every.values())
    assert statuses == {"cancelled": 6, "fulfilled": 310, "confirmed": 10}


def test_revenue_volume_and_gross_profit() -> None:
    orders, products = ordered(), models("product")
    assert len(orders) == KPI["order_count"]
    assert sum(map(net, orders.values())) == KPI["revenue"]
    assert summed(orders, lambda one: str(one.fields["ordered_on"])[:4], net) == KPI["revenue_by_year"]
    assert summed(orders, lambda one: str(one.fields["ordered_on"])[:7], net) == KPI["revenue_by_month"]
    lines = [line(one) for order in orders.values() for one in order.entries("lines").values()]
    assert sum(one.quantity for one in lines) == KPI["volume"]
    cost = sum(one.quantity * amount(products[str(one.product)].fields["cost"]) for one in lines)
    assert cost == KPI["cost"]
    by_line: dict[Any, Decimal] = defaultdict(Decimal)
    for one in lines:
        by_line[products[str(one.product)].fields["category"]] += one.net.amount if one.net else Decimal(0)
    assert by_line == KPI["revenue_by_product_line"]


def test_shipments_payments_and_receivables() -> None:
    shipments, payments = models("shipment"), models("payment")
    assert sum(map(net, shipments.values())) == KPI["shipped_value"]
    assert len(payments) == MODELS["payments"]
    assert sum(map(value, payments.values())) == KPI["collections"]
    assert summed(payments, lambda one: str(one.fields["received_on"])[:4], value) == KPI["collections_by_year"]
    open_by_customer: dict[Any, Decimal] = defaultdict(Decimal)
    for customer, shipped in summed(shipments, lambda one: one.fields["customer_id"], net).items():
        open_by_customer[customer] += shipped
    for customer, paid in summed(payments, lambda one: one.fields["customer_id"], value).items():
        open_by_customer[customer] -= paid
    assert sum(open_by_customer.values()) == KPI["receivables_open"]
    assert sum(one > 0 for one in open_by_customer.values()) == KPI["customers_with_receivables"]
    assert sum(one < 0 for one in open_by_customer.values()) == KPI["customers_with_prepayment"]


def test_staff_and_customers() -> None:
    members, units, customers = models("member"), models("organisation-unit"), models("customer")
    assert (len(members), len(customers)) == (23, 122)
    kinds = Counter(unit.fields["kind"] for unit in units.values())
    assert kinds == {"company": 1, "business_line": 1, "region": 4, "team": 7}
    reps = [str(one.fields["owner_id"]) for one in customers.values() if "owner_id" in one.fields]
    assert len(reps) == 100
    for unit in units.values():
        assert unit.text("parent_id") in (None, *units)
        assert unit.text("manager_id") in (None, *members)
    for member in members.values():
        assert units[str(member.fields["unit_id"])].fields["kind"] == "team"
    paris = units["office-4"].fields
    assert paris["manager_id"] == pseudonym("/import/classicmodels", "1102")
    assert all(one.text("owner_id") in (None, *members) for one in models("order").values())


def test_the_dirt_of_the_orders_is_shown() -> None:
    assert {(one.file, one.text): one.count for one in imported("classicmodels").warnings} == {
        ("ProductLines.csv", "the mapping has no use for this file"): 1,
        ("Products.csv", "this product was never ordered"): 1,
        ("Employees.csv", "this sales rep has no customer, so no order either"): 2,
        ("Customers.csv", "without sales rep: the owner is left unsaid"): 22,
        ("Customers.csv", "the credit limit is 0, taken as said"): 24,
        ("Customers.csv", "this customer never ordered"): 24,
        ("Orders.csv", "shipped and later cancelled: its shipment does not count"): 2,
    }


def test_names_of_persons_stay_among_the_personal_fields() -> None:
    persons = {
        "Moses Frase",
        "Melvin Marxen",
        "Patterson",
        "Carine",
        "Schmitt",
        "54, rue Royale",
        "@classicmodelcars.com",
    }
    for name in ("maven-crm", "classicmodels"):
        public = "\n".join(canonical(one.data)[0].decode() + one.id for one in imported(name).drafts)
        assert not [person for person in persons if person in public]
    personal = [canonical(one.data)[1] or b"" for one in imported("classicmodels").drafts]
    assert any(b"Carine Schmitt" in text and b"54, rue Royale" in text for text in personal)


@pytest.mark.parametrize("entity", ["product", "customer", "deal", "order", "payment", "shipment", "member"])
def test_the_two_business_lines_share_no_ids(entity: str) -> None:
    hardware, cars = (
        {one.subject for one in imported(name).drafts if one.entity == entity}
        for name in ("maven-crm", "classicmodels")
    )
    assert not hardware & cars


def test_the_two_business_lines_are_parts_of_one_company() -> None:
    hardware = latest(imported("maven-crm").drafts, "organisation-unit")
    cars = latest(imported("classicmodels").drafts, "organisation-unit")
    assert hardware.keys() & cars.keys() == {"company"}
    assert hardware["company"].fields == cars["company"].fields
    assert {hardware["hardware"].fields["parent_id"], cars["models"].fields["parent_id"]} == {"company"}


def test_a_shifted_company_keeps_its_ids_and_its_weekdays() -> None:
    for name in ("maven-crm", "classicmodels"):
        still, moved = imported(name).drafts, imported(name, weeks=400).drafts
        assert [(one.id, one.sequence) for one in still] == [(one.id, one.sequence) for one in moved]
        gaps = {new.occurred_at - old.occurred_at for old, new in zip(still, moved, strict=True)}
        assert gaps == {timedelta(weeks=400)}
