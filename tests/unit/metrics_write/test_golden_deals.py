"""The deals of the demo company, folded and compared with numbers that were computed straight from its files."""

import json
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from services.metrics.domain.ledgers import DealDimensions, DealMeasures
from services.metrics.handlers import fold
from shared.kernel.ledger import Cell
from tests.unit.metrics_write import demo
from tests.unit.metrics_write.company import COMPANY

Row = tuple[Cell, DealDimensions, DealMeasures]


@pytest.fixture(scope="module")
def golden() -> dict[str, Any]:
    values = json.loads((Path(__file__).parents[2] / "data" / "reference_values.json").read_text("utf-8"))
    return dict(values["maven-crm"])


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    references = demo.maven_references()
    return [
        (cell, DealDimensions(*cell.dimensions), DealMeasures(*measures))  # type: ignore[arg-type]
        for key, journal in demo.maven_deals().items()
        for cell, measures in fold(COMPANY, key, journal, references).owed.items()
    ]


def counted(rows: list[Row], fact: str) -> int:
    return sum(measures.deals for cell, _, measures in rows if cell.fact == fact)


def summed(rows: list[Row], fact: str, by: str) -> dict[str, Decimal]:
    totals: Counter[str] = Counter()
    for cell, dimensions, measures in rows:
        if cell.fact == fact:
            key = f"{cell.day:%Y-%m}" if by == "month" else str(getattr(dimensions, by))
            totals[key] += measures.value  # type: ignore[assignment]
    return {key: Decimal(value) for key, value in totals.items() if value}


def test_every_stage_has_its_deals(rows: list[Row], golden: dict[str, Any]) -> None:
    stages: Counter[str] = Counter()
    for cell, dimensions, measures in rows:
        if cell.fact == "open":
            stages[dimensions.stage] += measures.deals
    assert {stage: count for stage, count in stages.items() if count} == {
        "qualification": golden["stage_counts"]["Engaging"],
        "prospecting": golden["stage_counts"]["Prospecting"],
    }
    assert counted(rows, "won") == golden["stage_counts"]["Won"]
    assert counted(rows, "lost") == golden["stage_counts"]["Lost"]
    assert counted(rows, "created") == sum(golden["stage_counts"].values())
    assert counted(rows, "created-won") == golden["stage_counts"]["Won"]


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("month", "won_value_by_month"),
        ("manager", "won_value_by_manager"),
        ("team", "won_value_by_manager"),
        ("region", "won_value_by_region"),
        ("product", "won_value_by_product"),
        ("member", "won_value_by_agent"),
    ],
)
def test_won_value(rows: list[Row], golden: dict[str, Any], by: str, expected: str) -> None:
    assert summed(rows, "won", by) == golden[expected]


def test_won_value_by_sector(rows: list[Row], golden: dict[str, Any]) -> None:
    assert summed(rows, "won", "sector") == golden["won_value_by_sector_as_spelled"]
    assert sum(golden["won_value_by_sector_as_spelled"].values()) == golden["won_value"]


def test_the_cycle_is_told_in_days(rows: list[Row], golden: dict[str, Any]) -> None:
    for fact, expected in (("won", golden["cycle_days_won"]), ("lost", golden["cycle_days_lost"])):
        days = sorted(
            dimensions.days or 0
            for cell, dimensions, measures in rows
            if cell.fact == fact
            for _ in range(measures.deals)
        )
        assert round(sum(days) / len(days), 4) == pytest.approx(expected["mean"], abs=0.0005)
        assert days[len(days) // 2] == expected["median"]
        if "p90_nearest_rank" in expected:
            assert days[-(-len(days) * 9 // 10) - 1] == expected["p90_nearest_rank"]


def test_whoever_reached_a_stage_went_on_or_may_still_or_was_lost(rows: list[Row], golden: dict[str, Any]) -> None:
    stages = golden["stage_counts"]
    at: dict[str, Counter[str]] = {fact: Counter() for fact in ("advanced", "dropped", "undecided")}
    for cell, dimensions, measures in rows:
        if cell.fact in at:
            at[cell.fact][dimensions.stage] += measures.deals
    engaged = stages["Won"] + stages["Lost"] + stages["Engaging"]
    assert at["advanced"]["prospecting"] == engaged
    assert at["undecided"]["prospecting"] == stages["Prospecting"]
    assert at["dropped"]["prospecting"] == 0
    assert at["advanced"]["qualification"] == stages["Won"]
    assert at["undecided"]["qualification"] == stages["Engaging"]
    assert at["dropped"]["qualification"] == stages["Lost"]
    assert at["advanced"]["proposal-negotiation"] == stages["Won"]
    assert at["dropped"]["proposal-negotiation"] == at["undecided"]["proposal-negotiation"] == 0
