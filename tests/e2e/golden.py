"""The golden numbers of the two data sets, computed from the files without this project's code, and how to compare."""

import json
from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from tests.e2e.conftest import PROJECT, Company

REFERENCE: Mapping[str, Any] = json.loads(
    (PROJECT / "tests/data/reference_values.json").read_text(), parse_float=Decimal, parse_int=Decimal
)
MAVEN: Mapping[str, Any] = REFERENCE["maven-crm"]
MODELS: Mapping[str, Any] = REFERENCE["classicmodels"]["kpi"]
FILES: Mapping[str, Any] = REFERENCE["classicmodels"]


def number(value: Any) -> Decimal:
    """A told value as a decimal, be it money, a ratio or a count."""
    return Decimal(value["amount"] if isinstance(value, Mapping) else str(value))


def like(value: Any, golden: Decimal) -> Decimal:
    """A told value, rounded half-even to as many digits as the golden number has."""
    exponent = golden.as_tuple().exponent
    assert isinstance(exponent, int)
    return number(value).quantize(Decimal(1).scaleb(exponent), rounding=ROUND_HALF_EVEN)


async def value(company: Company, slug: str, **parameters: Any) -> Any:
    """The one number of a KPI."""
    rows = (await company.get("metrics", f"/v1/kpis/{slug}", **parameters))["rows"]
    assert len(rows) == 1
    return rows[0]["value"]


async def by(company: Company, slug: str, dimension: str, **parameters: Any) -> dict[str | None, Decimal]:
    """A KPI sliced by one dimension."""
    rows = (await company.get("metrics", f"/v1/kpis/{slug}", by=dimension, **parameters))["rows"]
    return {row[dimension]: number(row["value"]) for row in rows if row["value"] is not None}


async def over(company: Company, slug: str, grain: str, **parameters: Any) -> dict[str, Decimal]:
    """A KPI over time."""
    rows = (await company.get("metrics", f"/v1/kpis/{slug}", grain=grain, **parameters))["rows"]
    return {row["period"]["name"]: number(row["value"]) for row in rows if row["value"] is not None}


async def names(company: Company, ids: list[str]) -> dict[str, str]:
    """The names behind pseudonyms, as ingest tells them to an administrator."""
    found = (await company.get("ingest", "/v1/persons/member", id=ids))["items"]
    return {one["id"]: one["name"] for one in found}


async def by_person(company: Company, slug: str, dimension: str) -> dict[str, Decimal]:
    """A KPI sliced by persons, under their names."""
    found = await by(company, slug, dimension)
    named = await names(company, [key for key in found if key is not None])
    return {named[key]: amount for key, amount in found.items() if key is not None}
