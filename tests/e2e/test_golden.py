"""Both data sets, imported unmoved through the public API: every golden number, over HTTP."""

from decimal import Decimal
from typing import Any

import pytest

from tests.e2e.conftest import DATA, PRESETS, Company
from tests.e2e.golden import FILES, MAVEN, MODELS, by, by_person, like, number, over, value

END = "2017-12-31"


@pytest.fixture(autouse=True)
def loaded(reports: dict[str, dict[str, Any]]) -> None:
    """Every test asks after the import."""


async def test_the_import_says_what_is_dirty_and_rejects_nothing(reports: dict[str, dict[str, Any]]) -> None:
    maven = {one["text"]: one["count"] for one in reports["maven-crm"]["warnings"]}
    assert maven['product: "GTXPro" read as "GTX Pro"'] == 1480
    assert maven["without account: the customer is left unsaid"] == MAVEN["deals_without_account"]
    assert maven["without engage_date: dated with the as-of day of the export"] == 500
    assert maven["this agent has no deal"] == 5
    assert [report["rejected"] for report in reports.values()] == [0, 0]


async def test_stage_counts(company: Company) -> None:
    [pipeline] = (await company.get("pipeline", "/v1/funnel"))["pipelines"]
    stages = {stage["stage"]: stage["count"] for stage in pipeline["stages"]}
    golden = MAVEN["stage_counts"]
    assert stages["prospecting"] == golden["Prospecting"]
    assert stages["qualification"] == golden["Engaging"]
    assert pipeline["won"]["count"] == golden["Won"]
    assert pipeline["lost"]["count"] == golden["Lost"]
    assert number(pipeline["won"]["value"]) == MAVEN["won_value"]
    assert await value(company, "open-pipeline-count") == golden["Prospecting"] + golden["Engaging"]
    assert await value(company, "deals-won-count") == golden["Won"]
    assert await value(company, "deals-lost-count") == golden["Lost"]
    assert await value(company, "deals-created-count") == sum(golden.values())


async def test_win_rates(company: Company) -> None:
    assert like(await value(company, "win-rate-closed"), MAVEN["win_rate_closed"]) == MAVEN["win_rate_closed"]
    assert like(await value(company, "win-rate-all"), MAVEN["win_rate_all"]) == MAVEN["win_rate_all"]
    rates = await by(company, "win-rate-closed", "product")
    assert {name: like(rate, MAVEN["win_rate_by_product"][str(name)]) for name, rate in rates.items()} == MAVEN[
        "win_rate_by_product"
    ]


async def test_won_value_in_every_slice(company: Company) -> None:
    won = "deals-won-value"
    assert number(await value(company, won)) == MAVEN["won_value"]
    assert like(await value(company, "average-deal-size"), MAVEN["average_won_deal"]) == MAVEN["average_won_deal"]
    assert await over(company, won, "month") == MAVEN["won_value_by_month"]
    assert await by(company, won, "region") == MAVEN["won_value_by_region"]
    assert await by(company, won, "product") == MAVEN["won_value_by_product"]
    sectors = await by(company, won, "sector")
    assert {name: amount for name, amount in sectors.items() if name is not None} == MAVEN[
        "won_value_by_sector_as_spelled"
    ]
    assert await by_person(company, won, "manager") == MAVEN["won_value_by_manager"]
    agents = await by_person(company, won, "member")
    assert agents == MAVEN["won_value_by_agent"]
    top = dict(sorted(agents.items(), key=lambda one: -one[1])[:5])
    assert top == MAVEN["top5_agents_won_value"]
    assert await by_person(company, "deals-won-count", "member") == MAVEN["won_count_by_agent"]


async def test_counts_by_month(company: Company) -> None:
    assert await over(company, "deals-won-count", "month") == MAVEN["won_count_by_month"]
    assert await over(company, "deals-lost-count", "month") == MAVEN["lost_count_by_month"]


async def test_sales_cycle(company: Company) -> None:
    for slug, golden in (("won", MAVEN["cycle_days_won"]), ("lost", MAVEN["cycle_days_lost"])):
        [row] = (await company.get("metrics", f"/v1/kpis/sales-cycle-{slug}"))["rows"]
        assert like(row["mean"], golden["mean"]) == golden["mean"]
        assert number(row["median"]) == golden["median"]
        if "p90_nearest_rank" in golden:
            assert number(row["p90"]) == golden["p90_nearest_rank"]


async def test_sales_velocity(company: Company) -> None:
    golden = MAVEN["sales_velocity_per_day"]["value"]
    assert like(await value(company, "sales-velocity", to=END), golden) == golden


async def test_stalled_deals_and_deals_without_account(company: Company) -> None:
    stalled = await company.get(
        "pipeline",
        "/v1/deals",
        at=f"{END}T23:59:59Z",
        stage="qualification",
        outcome="open",
        in_stage_longer_than="P90D",
        limit=1,
    )
    assert stalled["total"] == MAVEN["open_engaging_older_than_90_days_at_2017-12-31"]
    without = await company.get("pipeline", "/v1/deals", missing="customer", limit=1)
    assert without["total"] == MAVEN["deals_without_account"]


async def test_the_open_pipeline_on_a_past_day_is_what_the_life_of_each_deal_says(company: Company) -> None:
    funnel = await company.get("pipeline", "/v1/funnel", at="2017-06-30T23:59:59Z")
    counted = await value(company, "open-pipeline-count", to="2017-06-30")
    assert counted == funnel["pipelines"][0]["open"]["count"]
    worth = await value(company, "open-pipeline-value", to="2017-06-30")
    assert number(worth) == number(funnel["pipelines"][0]["open"]["value"])


async def test_the_five_quantities(company: Company) -> None:
    assert await value(company, "order-count") == MODELS["order_count"]
    assert number(await value(company, "revenue")) == MODELS["revenue"]
    assert number(await value(company, "volume")) == MODELS["volume"]
    assert number(await value(company, "gross-profit")) == MODELS["gross_profit"]
    assert like(await value(company, "gross-profit-rate"), MODELS["gross_profit_rate"]) == MODELS["gross_profit_rate"]
    assert number(await value(company, "collections")) == MODELS["collections"]
    assert number(await value(company, "revenue", basis="shipped")) == MODELS["shipped_value"]


async def test_the_five_quantities_by_time_and_product_line(company: Company) -> None:
    def years(found: dict[str, Decimal]) -> dict[str, Decimal]:
        return {name.removeprefix("FY"): amount for name, amount in found.items()}

    for slug in ("revenue", "volume", "gross_profit", "collections"):
        golden = MODELS[f"{slug}_by_year"]
        assert years(await over(company, slug.replace("_", "-"), "fiscal-year")) == golden
    assert await over(company, "revenue", "month") == MODELS["revenue_by_month"]
    for slug in ("revenue", "gross_profit"):
        lines = await by(company, slug.replace("_", "-"), "category")
        assert lines == MODELS[f"{slug}_by_product_line"]


async def test_receivables_and_prepayments(company: Company) -> None:
    assert number(await value(company, "receivables")) == MODELS["receivables_open"]
    owing = await by(company, "receivables", "customer")
    assert sum(amount > 0 for amount in owing.values()) == MODELS["customers_with_receivables"]
    assert sum(owing.values()) == MODELS["receivables_open"]
    assert number(await value(company, "prepayments")) == 0


async def test_the_checksums_of_the_files(company: Company, reports: dict[str, dict[str, Any]]) -> None:
    """Cancelled orders are in the files and in the stream, but in no KPI."""
    assert number(await value(company, "collections")) == FILES["paid_total"]
    assert FILES["orders"] == 326
    open_total = FILES["order_total"] - FILES["paid_total"]
    assert open_total == FILES["open_total"]
    assert reports["classicmodels"]["accepted"] > 0


async def test_lineage_leads_from_a_number_to_its_events_and_sums_to_it(company: Company) -> None:
    asked = {"filter": "product:GTK 500", "limit": 1000}
    told = await company.get("metrics", "/v1/kpis/deals-won-value/lineage", **asked)
    assert number(told["value"]) == MAVEN["won_value_by_product"]["GTK 500"]
    deals = told["items"]
    assert len(deals) == await value(company, "deals-won-count", filter="product:GTK 500")
    won = "won-value" if "won-value" in deals[0]["contributions"] else next(iter(deals[0]["contributions"]))
    assert sum(number(deal["contributions"][won]) for deal in deals) == number(told["value"])
    found = await company.http.get(company.urls["ingest"] + deals[0]["events"][0]["ingest"])
    assert found.status_code == 200
    assert found.json()["subject"] == deals[0]["entity"]["id"]
    raw = await company.http.get(company.urls["ingest"] + f"/v1/raw/{found.json()['raw']['id']}")
    assert raw.content.startswith(b"opportunity_id")


async def test_before_anything_was_known_there_is_no_answer(company: Company) -> None:
    answer = await company.ask("metrics", "/v1/kpis/deals-won-value", known_at="2001-01-01")
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:quintant:problem:not-known")
    past = await company.get("metrics", "/v1/kpis/deals-won-value", known_at="2017-06-30")
    months = [f"2017-0{month}" for month in (3, 4, 5, 6)]
    assert number(past["rows"][0]["value"]) == sum(MAVEN["won_value_by_month"][month] for month in months)
    assert past["reconstructed"] is True


async def test_the_same_files_again_add_nothing(company: Company, reports: dict[str, dict[str, Any]]) -> None:
    before = await company.get("metrics", "/v1/digest")
    for preset in PRESETS:
        again = await company.load(preset, DATA / preset)
        assert (again["accepted"], again["rejected"]) == (0, 0)
        assert again["duplicate"] == reports[preset]["accepted"]
    after = await company.get("metrics", "/v1/digest")
    assert after["sha256"] == before["sha256"]


async def test_forecasts_of_the_company(company: Company) -> None:
    outlook = await company.get("forecast", "/v1/weighted-pipeline")
    assert outlook["deals"] == MAVEN["stage_counts"]["Prospecting"] + MAVEN["stage_counts"]["Engaging"]
    weighted = sum(number(stage["weighted"]) for stage in outlook["stages"])
    assert weighted == number(outlook["weighted"])
    engaging = next(stage for stage in outlook["stages"] if stage["stage"] == "qualification")
    assert like(engaging["probabilities"][0]["value"], MAVEN["win_rate_closed"]) == MAVEN["win_rate_closed"]
