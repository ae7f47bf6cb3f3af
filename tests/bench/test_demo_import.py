"""How long the demo company takes from its files to complete numbers, and which process spends the processor time."""

import time
from pathlib import Path

import psutil
import pytest

from quintant.stack.processes import of_home
from tests.e2e.conftest import DATA, PRESETS, Company, started

pytestmark = pytest.mark.bench

ASKED = {"pipeline": "/v1/funnel", "metrics": "/v1/kpis/deals-won-count", "forecast": "/v1/forecasts"}


def spent(directory: Path) -> dict[str, float]:
    """Processor seconds of every process of this run so far, by name; PostgreSQL's backends together."""
    found: dict[str, float] = {}
    for home in {directory, *directory.glob("own-*")}:
        for name, process in of_home(home):
            parts = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
            times = [part.cpu_times() for part in parts]
            found[name] = found.get(name, 0) + sum(one.user + one.system for one in times)
    return found


async def complete(company: Company, directory: Path) -> None:
    before, began = spent(directory), time.monotonic()
    for preset in PRESETS:
        await company.load(preset, DATA / preset)
    lines = [f"accepted after {time.monotonic() - began:.1f} s"]
    for service, path in ASKED.items():
        await company.get(service, path)
        lines.append(f"{service} complete after {time.monotonic() - began:.1f} s")
    after = spent(directory)
    lines += [f"{name} {after[name] - before.get(name, 0):.1f} s of processor time" for name in sorted(after)]
    print("\n" + "\n".join(lines))  # noqa: T201 - a benchmark's answer


async def test_the_demo_company_from_files_to_complete_numbers(
    database_server: str, kafka_bootstrap: str, server_directory: Path
) -> None:
    async with started(database_server, kafka_bootstrap, server_directory) as company:
        await complete(company, server_directory)
