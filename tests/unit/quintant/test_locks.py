"""The locks: everything pinned with digests, no index or machine named, one version of each package."""

import re
import tomllib
from pathlib import Path

import pytest

from quintant.stack.home import PROJECT

_PIN = re.compile(r"([a-z0-9][a-z0-9-]*)==(\S+?)(?: ;.*)? \\")
_NAME = re.compile(r"[A-Za-z0-9._-]+")
_LOCKS = ("requirements.txt", "requirements-dev.txt")


def _pins(lock: str) -> dict[str, str]:
    lines = (PROJECT / lock).read_text().splitlines()
    return {match[1]: match[2] for line in lines if (match := _PIN.fullmatch(line))}


def _wanted(extras: set[str]) -> set[str]:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    lines = [*project["dependencies"]]
    for extra in extras:
        lines += project["optional-dependencies"][extra]
    return {match[0].lower().replace("_", "-") for line in lines if (match := _NAME.match(line))}


@pytest.mark.parametrize("lock", _LOCKS)
def test_every_line_is_a_pin_or_a_digest(lock: str) -> None:
    for line in (PROJECT / lock).read_text().splitlines():
        assert _PIN.fullmatch(line) or re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}(?: \\)?", line), line


def test_the_locks_have_what_the_project_asks_for() -> None:
    every = set(tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["optional-dependencies"])
    assert _wanted({"forecast", "local"}) <= set(_pins("requirements.txt"))
    assert _wanted(every) <= set(_pins("requirements-dev.txt"))


def test_tests_run_with_the_versions_that_run() -> None:
    run, dev = (_pins(lock) for lock in _LOCKS)
    assert {name: dev.get(name) for name in run} == run


def test_no_host_is_named() -> None:
    jars = (PROJECT / "quintant" / "stack" / "kafka-jars.txt").read_text()
    assert "//" not in jars
    assert Path(PROJECT / "Makefile").read_text().count("://") == 0
