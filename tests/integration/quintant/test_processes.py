"""Real processes: known by pid and start, never mistaken for others, always ended."""

import sys
from pathlib import Path

import psutil
import pytest

from quintant.stack import processes
from quintant.stack.errors import StackError
from quintant.stack.processes import ProcessId

_WAITS = "import signal; signal.pause()"
_IGNORES_TERM = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('set', flush=True); signal.pause()"
_HAS_CHILD = (
    "import signal, subprocess, sys;"
    "subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()']);"
    "print('set', flush=True); signal.pause()"
)


def _spawn(tmp_path: Path, code: str, name: str = "waits") -> ProcessId:
    marks = {processes.HOME_VARIABLE: str(tmp_path), processes.NAME_VARIABLE: name}
    return processes.spawn([sys.executable, "-c", code], log=tmp_path / "log", env=marks, cwd=tmp_path)


def _wait_until_set(tmp_path: Path, process: ProcessId) -> None:
    log = tmp_path / "log"
    processes.wait_until_ready("it", lambda: "set" in log.read_text(), process, seconds=20, log=log)


def test_a_process_is_found_asked_and_gone(tmp_path: Path) -> None:
    process = _spawn(tmp_path, _WAITS)
    assert processes.is_alive(process)
    # A process that has just been started shows no environment for a moment.
    found = [("waits", process)]
    processes.wait_until_ready(
        "it", lambda: list(processes.of_home(tmp_path)) == found, process, seconds=20, log=tmp_path / "log"
    )
    assert processes.resident_bytes(process) > 0
    assert processes.stop(process, seconds=20)
    assert not processes.is_alive(process)
    assert not psutil.pid_exists(process.pid)
    assert list(processes.of_home(tmp_path)) == []


def test_a_recycled_pid_is_never_signalled(tmp_path: Path) -> None:
    process = _spawn(tmp_path, _WAITS)
    stale = ProcessId(process.pid, "another boot/1")
    assert not processes.is_alive(stale)
    assert processes.stop(stale, seconds=1)
    processes.kill(stale)
    assert processes.is_alive(process)
    processes.kill(process)


def test_who_does_not_listen_is_killed(tmp_path: Path) -> None:
    process = _spawn(tmp_path, _IGNORES_TERM)
    _wait_until_set(tmp_path, process)
    assert not processes.stop(process, seconds=0.2)
    assert not processes.is_alive(process)


def test_killing_ends_the_family(tmp_path: Path) -> None:
    process = _spawn(tmp_path, _HAS_CHILD)
    _wait_until_set(tmp_path, process)
    children = processes.descendants(process)
    assert len(children) == 1
    # A child inherits the marks of its parent, and is still no part of its own.
    assert [found for _, found in processes.of_home(tmp_path)] == [process]
    processes.kill(process)
    assert not processes.is_alive(children[0])


def test_an_early_end_is_told_with_the_end_of_the_log(tmp_path: Path) -> None:
    process = _spawn(tmp_path, "raise SystemExit('the disk is full')")
    with pytest.raises(StackError, match="ended while it was starting") as raised:
        processes.wait_until_ready("it", lambda: False, process, seconds=20, log=tmp_path / "log")
    assert "the disk is full" in raised.value.tail


def test_a_start_has_a_deadline(tmp_path: Path) -> None:
    process = _spawn(tmp_path, _WAITS)
    with pytest.raises(StackError, match="is not ready after"):
        processes.wait_until_ready("it", lambda: False, process, seconds=0.1, log=tmp_path / "log")
    processes.kill(process)
