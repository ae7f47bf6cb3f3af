"""The commands as typed: what they say, their exit codes, and that no failure shows a traceback."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from quintant.stack.home import PROJECT

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def quintant(tmp_path: Path) -> Command:
    def run(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "QUINTANT_HOME": str(tmp_path / "home"), "COLUMNS": "160", **settings}
        return subprocess.run(
            [sys.executable, "-m", "quintant", *arguments],
            env=env,
            cwd=PROJECT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def test_help_names_every_command(quintant: Command) -> None:
    shown = quintant("--help").stdout
    for command in ("up", "down", "status", "logs", "doctor", "reset", "import", "kpi", "keys"):
        assert f" {command} " in shown


def test_a_key_is_shown_once_and_stored_as_its_digest(quintant: Command, tmp_path: Path) -> None:
    made = quintant("keys", "create", "board", "--scope", "read", "--scope", "write")
    key = made.stdout.strip()
    stored = (tmp_path / "home" / "secrets" / "api-keys").read_text()
    assert made.returncode == 0
    assert stored == f"board:{hashlib.sha256(key.encode()).hexdigest()}:read,write\n"


@pytest.mark.parametrize("arguments", [("board", "--scope", "owner"), ("a:b", "--scope", "read"), ("board",)])
def test_a_wrong_key_request_makes_none(quintant: Command, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert quintant("keys", "create", *arguments).returncode == 2
    assert not (tmp_path / "home" / "secrets" / "api-keys").exists()


def test_status_and_doctor_of_nothing(quintant: Command) -> None:
    status, doctor = quintant("status"), quintant("doctor")
    assert (status.returncode, doctor.returncode) == (1, 1)
    assert status.stdout.count("not started") == 10
    assert "`quintant up` starts it" in doctor.stdout


def test_a_service_that_does_not_run_is_said_plainly(quintant: Command) -> None:
    asked = quintant("kpi", "deals-won-value", QUINTANT_METRICS_URL="http://127.0.0.1:1")
    assert asked.returncode == 1
    assert "metrics at http://127.0.0.1:1 does not answer" in asked.stderr
    assert "Traceback" not in asked.stderr


def test_logs_by_name(quintant: Command, tmp_path: Path) -> None:
    quintant("keys", "create", "board", "--scope", "read")
    logs = tmp_path / "home" / "logs"
    (logs / "kafka.log").write_text("".join(f"line {n}\n" for n in range(100)))
    (logs / "postgres.log").write_text("ready [1]\n")
    assert quintant("logs", "kafka", "-n", "2").stdout == "line 98\nline 99\n"
    assert "postgres ready [1]" in quintant("logs").stdout
    missing = quintant("logs", "nobody")
    assert missing.returncode == 1
    assert "kafka, postgres" in missing.stderr


def test_an_unreadable_state_is_told_with_what_to_do(quintant: Command, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "state.json").write_text("{")
    for command in ("up", "down", "status"):
        ended = quintant(command)
        assert ended.returncode == 1
        assert "cannot be read" in ended.stderr
        assert "Move it away" in ended.stderr
    assert "Move it away" in quintant("doctor").stdout


def test_reset_asks_and_deletes_only_its_own_folder(quintant: Command, tmp_path: Path) -> None:
    quintant("keys", "create", "board", "--scope", "read")
    (tmp_path / "beside").touch()
    assert quintant("reset").returncode == 1
    assert (tmp_path / "home").exists()
    assert quintant("reset", "--yes").returncode == 0
    assert not (tmp_path / "home").exists()
    assert (tmp_path / "beside").exists()
