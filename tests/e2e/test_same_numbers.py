"""The same events in another order, twice, cut in other batches and other partitions: the same numbers and digests."""

import csv
import random
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import DATA, PRESETS, Company, started
from tests.e2e.golden import MAVEN, MODELS, number, value


def shuffled(source: Path, target: Path, order: random.Random) -> None:
    """The rows of every file in another order."""
    target.mkdir()
    for path in source.glob("*.csv"):
        with path.open(encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file)
        order.shuffle(rows)
        with (target / path.name).open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([header, *rows])


async def digests(company: Company) -> dict[str, Any]:
    return {service: (await company.get(service, "/v1/digest"))["sha256"] for service in ("pipeline", "metrics")}


async def test_shuffled_doubled_and_in_other_partitions(
    company: Company,
    reports: dict[str, dict[str, Any]],
    database_server: str,
    kafka_bootstrap: str,
    server_directory: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    assert all(report["rejected"] == 0 for report in reports.values())
    directory = tmp_path_factory.mktemp("other")
    order = random.Random(20171231)  # noqa: S311 - a repeatable shuffle
    for preset in PRESETS:
        shuffled(DATA / preset, directory / preset, order)
    async with started(database_server, kafka_bootstrap, server_directory, QUINTANT_PARTITIONS="3") as other:
        for preset in (*reversed(PRESETS), *PRESETS):
            report = await other.load(preset, directory / preset)
            assert report["rejected"] == 0
        assert number(await value(other, "deals-won-value")) == MAVEN["won_value"]
        assert number(await value(other, "receivables")) == MODELS["receivables_open"]
        assert await digests(other) == await digests(company)
