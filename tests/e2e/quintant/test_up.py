"""`quintant up` as a person types it: everything starts, is found again, and comes back after `kill -9`."""

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from quintant.stack import processes
from quintant.stack.home import PROJECT, Home, State
from quintant.stack.ports import any_free
from quintant.stack.services import ROLES
from quintant.stack.survey import survey

_NAMES = {"postgres", "kafka", *(role.name for role in ROLES)}
# Just after the first load, when a worker holds most.
_API_BYTES, _WORKER_BYTES, _FORECAST_WORKER_BYTES, _STACK_BYTES = 130 << 20, 240 << 20, 450 << 20, 2 << 30


@pytest.fixture(scope="module")
def home(server_directory: Path) -> Iterator[Home]:
    """With ports of its own, so that a stack that runs on this machine is left alone."""
    made = Home(server_directory / f"own-{secrets.token_hex(4)}")
    made.prepare()
    ports: dict[str, int] = {}
    for name in (*sorted(_NAMES), "kafka-controller"):
        ports[name] = any_free(ports.values())
    made.save(State(ports=ports))
    yield made
    for _name, process in list(processes.of_home(made.directory)):
        processes.kill(process)


def _quintant(home: Home, *arguments: str) -> subprocess.CompletedProcess[str]:
    unwanted = {"DATABASE_URL", "DATABASE_URL_FILE", "KAFKA_BOOTSTRAP_SERVERS"}
    env = {key: value for key, value in os.environ.items() if key not in unwanted}
    return subprocess.run(
        [sys.executable, "-m", "quintant", *arguments],
        env={**env, "QUINTANT_HOME": str(home.directory), "COLUMNS": "140"},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def _up(home: Home, *arguments: str) -> str:
    ended = _quintant(home, "up", *arguments)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_up_ends_with_the_numbers_of_the_company(home: Home) -> None:
    screen = _up(home)
    for shown in (
        "63.15 %",
        "10,005,534.00",
        "9,365,336.43",
        "102,882",
        "3,731,511.97",
        "8,853,839.23",
        "206,650.07",
        "Try next",
    ):
        assert shown in screen
    state = home.load()
    assert set(state.parts) == _NAMES
    assert state.demo is not None


def test_memory_stays_within_its_budget(home: Home) -> None:
    rows = {row.name: row for row in survey(home.load())}
    assert {row.name: row.trouble for row in rows.values() if row.trouble} == {}
    limits = dict.fromkeys((role.name for role in ROLES if role.kind == "api"), _API_BYTES)
    limits |= dict.fromkeys((role.name for role in ROLES if role.kind == "worker"), _WORKER_BYTES)
    limits["forecast-worker"] = _FORECAST_WORKER_BYTES
    assert {name: rows[name].resident_bytes for name, most in limits.items() if rows[name].resident_bytes > most} == {}
    assert sum(row.resident_bytes for row in rows.values()) < _STACK_BYTES


def test_a_second_up_finds_what_runs_and_loads_nothing(home: Home) -> None:
    before = home.load()
    screen = _up(home)
    assert home.load() == before
    assert screen.count("found ") == len(_NAMES)
    assert "importing" not in screen


def test_everything_killed_comes_back_with_the_same_numbers(home: Home) -> None:
    for _name, process in list(processes.of_home(home.directory)):
        processes.kill(process)
    assert _quintant(home, "status").returncode == 1
    screen = _up(home)
    assert "10,005,534" in screen
    assert "importing" not in screen
    assert _quintant(home, "doctor").returncode == 0


def test_a_number_by_a_dimension_and_a_refusal(home: Home) -> None:
    by_region = _quintant(home, "kpi", "deals-won-value", "--by", "region")
    assert by_region.returncode == 0, by_region.stderr
    for amount in ("3,090,594.00", "3,346,293.00", "3,568,647.00"):
        assert amount in by_region.stdout
    refused = _quintant(home, "kpi", "no-such-number")
    assert refused.returncode == 1
    assert "metrics says (404)" in refused.stderr


def test_down_ends_everything(home: Home) -> None:
    assert _quintant(home, "down").returncode == 0
    assert list(processes.of_home(home.directory)) == []
