"""The ground of each module, how often each scenario runs, and the report of the run."""

import os
import secrets
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from shared.kernel.clock import SystemClock
from tests.conftest import execute, with_database
from tests.fault.company import EVERYBODY, RELAY, found
from tests.fault.fire import Ground
from tests.fault.report import Report
from tests.fault.twin import Twin, twin_of

SEED = int(os.environ.get("FAULT_SEED", "1"))
ROUNDS = int(os.environ.get("FAULT_ROUNDS", "1"))
_SHOWN = 900


@pytest.fixture(scope="session")
def report() -> Iterator[Report]:
    """Written where FAULT_REPORT says, if it says so."""
    made = Report(SEED, os.environ.get("FAULT_COMMAND", "pytest -m fault"))
    yield made
    if where := os.environ.get("FAULT_REPORT"):
        made.write(Path(where), SystemClock())


@pytest.fixture(params=range(ROUNDS), autouse=True)
def turn(request: pytest.FixtureRequest) -> int:
    """Every scenario runs FAULT_ROUNDS times, each time with another seed."""
    return int(request.param)


@asynccontextmanager
async def twin_beside(database_server: str, kafka_bootstrap: str, directory: Path) -> AsyncIterator[Twin]:
    """An undisturbed twin in a database of its own."""
    name = f"twin_{secrets.token_hex(4)}"
    await execute(database_server, f"CREATE DATABASE {name}")
    async with twin_of(directory, with_database(database_server, name), kafka_bootstrap) as made:
        yield made
    await execute(database_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
async def ground(
    request: pytest.FixtureRequest, own_directory: Path, database_server: str, kafka_bootstrap: str, report: Report
) -> AsyncIterator[Ground]:
    """The module's company, told the past and at rest; beside it its twin."""
    async with (
        twin_beside(database_server, kafka_bootstrap, own_directory) as twin,
        found(own_directory) as company,
    ):
        await company.start(*(name for name in EVERYBODY if name != RELAY))
        made = Ground(company, twin, report, str(request.module.GROUP))
        await made.begin()
        yield made


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What the processes wrote last is shown with a failure: so little that the failure itself is not lost in it."""
    made = yield
    ground = item.funcargs.get("ground") if isinstance(item, pytest.Function) else None
    if made.failed and isinstance(ground, Ground):
        for name in ground.company.running.parts:
            made.sections.append((name, ground.company.running.log(name)[-_SHOWN:]))
    return made
