"""Real processes: how they start, refuse to start, and end."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).parents[3]
ENVIRONMENT = {"DATABASE_URL": "postgresql://u:hunter2@h/d", "KAFKA_BOOTSTRAP_SERVERS": "h:9092"}


@contextmanager
def process(role: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    started = subprocess.Popen(
        [sys.executable, "-m", "tests.integration.shared_runtime.sample", role],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **ENVIRONMENT, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with started:
        try:
            yield started
        finally:
            if started.poll() is None:
                started.kill()


def until(started: subprocess.Popen[str], event: str) -> dict[str, Any]:
    """The first log line with this event; fails when the process ends without it."""
    assert started.stdout is not None
    for line in started.stdout:
        said: dict[str, Any] = json.loads(line)
        if said["event"] == event:
            return said
    raise AssertionError(f"{event} was not logged")


def get(port: int, path: str) -> httpx.Response:
    return httpx.get(f"http://127.0.0.1:{port}{path}", headers={"authorization": "Bearer both"}, trust_env=False)


@pytest.mark.parametrize("role", ["api", "worker"])
def test_a_process_serves_and_ends_when_asked(role: str, key_file: Path) -> None:
    with process(role, QUINTANT_API_KEYS_FILE=str(key_file)) as started:
        port = until(started, "listening")["port"]
        assert get(port, "/livez").status_code == 200
        assert get(port, "/readyz").status_code == 200
        assert f'role="{role}"' in get(port, "/metrics").text
        started.send_signal(signal.SIGTERM)
        until(started, "ended")
        assert started.wait(10) == 0


def test_the_memory_of_an_api(key_file: Path) -> None:
    with process("api", QUINTANT_API_KEYS_FILE=str(key_file)) as started:
        port = until(started, "listening")["port"]
        text = get(port, "/metrics").text
        (line,) = (line for line in text.splitlines() if line.startswith("process_resident_memory_bytes "))
        assert float(line.split()[1]) < 100 * 2**20  # the shared parts leave a service 30 MB of its 130
        started.send_signal(signal.SIGINT)
        assert started.wait(10) == 0


def test_without_a_key_file_the_log_says_how_to_make_one() -> None:
    with process("api") as started:
        said = until(started, "no_api_keys")
        assert "quintant keys create" in said["remedy"]
        assert get(until(started, "listening")["port"], "/metrics").status_code == 401


def test_wrong_settings_are_exit_2() -> None:
    with process("api", QUINTANT_COMPANY_TIME_ZONE="Mars") as started:
        out, err = started.communicate(timeout=20)
        assert started.returncode == 2
    assert out == ""
    assert err.startswith("pipeline api cannot start:\n  QUINTANT_COMPANY_TIME_ZONE: ")
    assert "Traceback" not in err


def test_an_unknown_role_is_exit_2() -> None:
    with process("dance") as started:
        assert "worker" in started.communicate(timeout=20)[1]
        assert started.returncode == 2


@pytest.mark.parametrize(("role", "variable"), [("api", "QUINTANT_HTTP_PORT"), ("worker", "QUINTANT_HEALTH_PORT")])
def test_a_taken_port_is_named(role: str, variable: str) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        process(role, **{variable: str(taken.getsockname()[1])}) as started,
    ):
        assert variable in until(started, "failed")["detail"]
        assert started.wait(10) == 1


@pytest.mark.parametrize(
    ("behaviour", "event", "code"), [("dies", "crashed", 1), ("stops", "stopped", 3), ("returns", "failed", 1)]
)
def test_a_job_that_ends_ends_the_process(behaviour: str, event: str, code: int) -> None:
    with process("worker", QUINTANT_BEHAVIOUR=behaviour) as started:
        assert until(started, "shutdown_began")["reason"] == "second ended"
        until(started, event)
        assert started.wait(10) == code


def test_the_second_signal_ends_at_once() -> None:
    with process("stubborn") as started:
        until(started, "shutdown_began")
        assert started.wait(10) == 130


def test_a_loop_that_hangs_is_ended_by_the_second_signal() -> None:
    with process("worker", QUINTANT_BEHAVIOUR="hangs") as started:
        until(started, "listening")
        started.send_signal(signal.SIGTERM)
        assert started.wait(10) == 130


def test_what_does_not_end_in_time_is_ended() -> None:
    code = (
        "import asyncio\n"
        "from shared.kernel.clock import SystemClock\n"
        "from shared.runtime.shutdown import Shutdown\n"
        "async def main():\n"
        "    Shutdown(SystemClock(), drain_seconds=0.2).begin('test')\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=20, check=False
    )
    assert ended.returncode == 4
    assert "not finished" in ended.stderr
