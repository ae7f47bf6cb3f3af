"""Every golden number of the two public data sets, asked over HTTP."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.integration.metrics_read import golden
from tests.integration.metrics_read.app import Caller, HandClock, application, calling, questions_on
from tests.integration.metrics_read.books import fold_all, open_books

_REFERENCE = json.loads(Path("tests/data/reference_values.json").read_text(), parse_float=Decimal)
CRM, WHOLESALE = _REFERENCE["maven-crm"], _REFERENCE["classicmodels"]["kpi"]


@pytest.fixture(scope="module")
async def company(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Caller]:
    async with open_books(database_url) as database:
        references = golden.crm_references() | golden.wholesale_references()
        journals = golden.deals() | golden.orders() | golden.payments()
        await fold_all(database, journals, references, at=datetime(2026, 11, 22, tzinfo=UTC))
        app = application(questions_on(database, HandClock()), tmp_path_factory.mktemp("keys"))
        async with calling(app) as caller:
            yield caller


def usd(amount: Any) -> dict[str, str]:
    return {"amount": f"{Decimal(amount):.2f}", "currency": "USD"}


def money(amounts: dict[str, Any]) -> dict[str, dict[str, str]]:
    return {name: usd(amount) for name, amount in amounts.items()}


def rounded(ratio: str, like: Decimal) -> Decimal:
    return Decimal(ratio).quantize(like)


async def test_pipeline(company: Caller) -> None:
    stages = await company.by("open-pipeline-count", "stage", by="stage")
    counts = CRM["stage_counts"]
    assert stages == {"prospecting": counts["Prospecting"], "qualification": counts["Engaging"]}
    assert await company.value("deals-won-count") == counts["Won"]
    assert await company.value("deals-lost-count") == counts["Lost"]
    assert await company.value("deals-created-count") == sum(counts.values())
    assert (
        await company.value("open-pipeline-count", filter="customer:none")
        + await company.value("deals-won-count", filter="customer:none")
        + await company.value("deals-lost-count", filter="customer:none")
        == CRM["deals_without_account"]
    )


async def test_won_value(company: Caller) -> None:
    slug = "deals-won-value"
    assert await company.value(slug) == usd(CRM["won_value"])
    assert await company.by(slug, "period", grain="month") == money(CRM["won_value_by_month"])
    assert await company.by(slug, "manager", by="manager") == money(CRM["won_value_by_manager"])
    assert await company.by(slug, "region", by="region") == money(CRM["won_value_by_region"])
    assert await company.by(slug, "product", by="product") == money(CRM["won_value_by_product"])
    assert await company.by(slug, "member", by="member") == money(CRM["won_value_by_agent"])
    assert await company.by(slug, "sector", by="sector") == money(CRM["won_value_by_sector_as_spelled"])


async def test_counts_by_slice(company: Caller) -> None:
    assert await company.by("deals-won-count", "period", grain="month") == CRM["won_count_by_month"]
    assert await company.by("deals-lost-count", "period", grain="month") == CRM["lost_count_by_month"]
    assert await company.by("deals-won-count", "member", by="member") == CRM["won_count_by_agent"]


async def test_rates(company: Caller) -> None:
    assert rounded(await company.value("win-rate-closed"), CRM["win_rate_closed"]) == CRM["win_rate_closed"]
    assert rounded(await company.value("win-rate-all"), CRM["win_rate_all"]) == CRM["win_rate_all"]
    by_product = await company.by("win-rate-closed", "product", by="product")
    assert {name: rounded(rate, Decimal("0.0001")) for name, rate in by_product.items()} == CRM["win_rate_by_product"]
    average = await company.value("average-deal-size")
    assert rounded(average["amount"], CRM["average_won_deal"]) == CRM["average_won_deal"]


async def test_cycles(company: Caller) -> None:
    (won,) = (await company.get("/v1/kpis/sales-cycle-won"))["rows"]
    (lost,) = (await company.get("/v1/kpis/sales-cycle-lost"))["rows"]
    expected = CRM["cycle_days_won"]
    assert rounded(won["mean"], expected["mean"]) == expected["mean"]
    assert (Decimal(won["median"]), won["p90"]) == (expected["median"], expected["p90_nearest_rank"])
    assert (won["n"], lost["n"]) == (CRM["stage_counts"]["Won"], CRM["stage_counts"]["Lost"])
    assert rounded(lost["mean"], CRM["cycle_days_lost"]["mean"]) == CRM["cycle_days_lost"]["mean"]
    assert Decimal(lost["median"]) == CRM["cycle_days_lost"]["median"]


async def test_velocity(company: Caller) -> None:
    velocity = await company.value("sales-velocity", to="2017-12-31")
    expected = CRM["sales_velocity_per_day"]["value"]
    assert rounded(velocity["amount"], expected) == expected


async def test_five_quantities(company: Caller) -> None:
    assert await company.value("order-count") == WHOLESALE["order_count"]
    assert await company.value("revenue") == usd(WHOLESALE["revenue"])
    assert await company.value("volume") == str(WHOLESALE["volume"])
    assert await company.value("gross-profit") == usd(WHOLESALE["gross_profit"])
    rate = await company.value("gross-profit-rate")
    assert rounded(rate, WHOLESALE["gross_profit_rate"]) == WHOLESALE["gross_profit_rate"]
    assert await company.value("collections") == usd(WHOLESALE["collections"])
    assert await company.value("revenue", basis="shipped") == usd(WHOLESALE["shipped_value"])


async def test_five_quantities_by_slice(company: Caller) -> None:
    for slug, key in (("revenue", "revenue"), ("gross-profit", "gross_profit"), ("collections", "collections")):
        expected = {f"FY{year}": usd(amount) for year, amount in WHOLESALE[f"{key}_by_year"].items()}
        assert await company.by(slug, "period", grain="fiscal-year") == expected
    volumes = {f"FY{year}": str(units) for year, units in WHOLESALE["volume_by_year"].items()}
    assert await company.by("volume", "period", grain="fiscal-year") == volumes
    assert await company.by("revenue", "period", grain="month") == money(WHOLESALE["revenue_by_month"])
    assert await company.by("revenue", "category", by="category") == money(WHOLESALE["revenue_by_product_line"])
    profits = await company.by("gross-profit", "category", by="category")
    assert profits == money(WHOLESALE["gross_profit_by_product_line"])


async def test_balances(company: Caller) -> None:
    (owed,) = (await company.get("/v1/kpis/receivables"))["rows"]
    assert (owed["value"], owed["customers"]) == (
        usd(WHOLESALE["receivables_open"]),
        WHOLESALE["customers_with_receivables"],
    )
    (prepaid,) = (await company.get("/v1/kpis/prepayments"))["rows"]
    assert (prepaid["value"], prepaid["customers"]) == (usd(0), WHOLESALE["customers_with_prepayment"])
    by_customer = await company.by("receivables", "customer", by="customer")
    assert len(by_customer) == WHOLESALE["customers_with_receivables"]
    assert sum(Decimal(value["amount"]) for value in by_customer.values()) == WHOLESALE["receivables_open"]


async def test_every_lineage_sums_to_its_number(company: Caller) -> None:
    asked: dict[str, dict[str, Any]] = {
        "deals-won-value": {"filter": "member:Zane Levy"},
        "revenue": {},
        "collections": {},
    }
    for slug, slice_ in asked.items():
        answered = await company.value(slug, **slice_)
        total, cursor, pages = Decimal(0), None, 0
        while cursor is not None or not pages:
            parameters = {"limit": 150, **slice_} | ({"cursor": cursor} if cursor else {})
            page = await company.get(f"/v1/kpis/{slug}/lineage", **parameters)
            assert page["value"] == answered
            for item in page["items"]:
                (name,) = page["parts"]
                listed = sum(Decimal(one["contributions"][name]["amount"]) for one in item["postings"])
                assert listed == Decimal(item["contributions"][name]["amount"])
                total += listed
            cursor, pages = page["next"], pages + 1
        assert total == Decimal(answered["amount"])
        assert pages > 1
