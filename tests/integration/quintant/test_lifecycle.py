"""Up and down of real servers: a second time, after `kill -9`, with ports taken, with servers of one's own."""

import os
import secrets
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import asyncpg
import pytest

from quintant import doctor
from quintant.stack import kafka, processes
from quintant.stack.home import Home, State
from quintant.stack.lifecycle import Stack
from quintant.stack.ports import any_free, choose
from quintant.stack.report import Silent


class _Notes(Silent):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
def own_home(server_directory: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """A home with ports of its own, so that a stack that runs on this machine is left alone."""
    for variable in ("DATABASE_URL", "DATABASE_URL_FILE", "KAFKA_BOOTSTRAP_SERVERS"):
        monkeypatch.delenv(variable, raising=False)
    home = Home(server_directory / f"own-{secrets.token_hex(4)}")
    home.prepare()
    ports: list[int] = []
    while len(ports) < 3:
        ports.append(any_free(ports))
    home.save(State(ports=dict(zip(("postgres", "kafka", "kafka-controller"), ports, strict=True))))
    yield home
    for _name, process in list(processes.of_home(home.directory)):
        processes.kill(process)


def _up(home: Home) -> tuple[State, list[str]]:
    notes = _Notes()
    return Stack(home, notes).up_servers(), notes.notes


async def _run(home: Home, state: State, statement: str) -> object:
    connection = await asyncpg.connect(Stack(home, Silent()).database_url(state), timeout=10)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close(timeout=10)


async def test_up_again_finds_what_runs_and_down_ends_it(own_home: Home) -> None:
    first, _ = _up(own_home)
    assert await _run(own_home, first, "SELECT current_user") == "quintant"
    second, notes = _up(own_home)
    assert second == first
    assert len([note for note in notes if note.startswith("found")]) == 2
    assert Stack(own_home, Silent()).down()
    assert list(processes.of_home(own_home.directory)) == []
    assert own_home.load().parts == {}


async def test_everything_killed_comes_back_with_its_rows(own_home: Home) -> None:
    state, _ = _up(own_home)
    await _run(own_home, state, "CREATE TABLE kept AS SELECT generate_series(1, 100) AS n")
    for part in state.parts.values():
        processes.kill(part.process)
    again, _ = _up(own_home)
    assert await _run(own_home, again, "SELECT count(*) FROM kept") == 100
    assert again.ports == state.ports
    assert again.cluster_id == state.cluster_id


async def test_a_stale_pid_file_of_a_former_boot_does_not_matter(own_home: Home) -> None:
    state, _ = _up(own_home)
    Stack(own_home, Silent()).down()
    # As after a reboot: the pid in PostgreSQL's own file is now that of some other program, here one of the same user.
    stranger = processes.spawn(
        [sys.executable, "-c", "import signal; signal.pause()"], log=own_home.log("x"), env={}, cwd=own_home.directory
    )
    data = own_home.directory / "postgres" / "data"
    (data / "postmaster.pid").write_text(f"{stranger.pid}\n{data}\n1\n{state.ports['postgres']}\n\n127.0.0.1\n1 1\n")
    again, _ = _up(own_home)
    assert await _run(own_home, again, "SELECT 1") == 1
    assert processes.is_alive(stranger)
    processes.kill(stranger)


def test_taken_ports_are_replaced_and_said(own_home: Home) -> None:
    before = own_home.load().ports
    sockets = [socket.create_server(("127.0.0.1", before[name])) for name in ("postgres", "kafka")]
    try:
        state, notes = _up(own_home)
    finally:
        for held in sockets:
            held.close()
    for name in ("postgres", "kafka"):
        assert state.ports[name] != before[name]
        assert f"port {before[name]} is taken: {name} listens on {state.ports[name]}" in notes
    assert kafka.answers("127.0.0.1", state.ports["kafka"])


def test_the_next_port_is_a_hundred_further() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as held:
        taken = held.getsockname()[1]
        assert choose(taken) != taken
    port = any_free()
    assert choose(port) == port
    assert choose(port, {port}) in {port + 100 * step for step in range(1, 50)}


def test_servers_of_ones_own_win(
    own_home: Home, monkeypatch: pytest.MonkeyPatch, database_server: str, kafka_bootstrap: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_server)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka_bootstrap)
    state, _ = _up(own_home)
    assert state.parts == {}
    stack = Stack(own_home, Silent())
    assert (stack.database_url(state), stack.bootstrap_servers(state)) == (database_server, kafka_bootstrap)
    assert list(processes.of_home(own_home.directory)) == []
    assert {"database", "broker"} <= {finding.subject for finding in doctor.examine(own_home) if finding.well}


def test_what_an_interrupted_start_left_is_stopped(own_home: Home) -> None:
    marks = {processes.HOME_VARIABLE: str(own_home.directory), processes.NAME_VARIABLE: "ingest-api"}
    stray = processes.spawn(
        [sys.executable, "-c", "import signal; signal.pause()"],
        log=own_home.log("ingest-api"),
        env=marks,
        cwd=own_home.directory,
    )
    assert _wrong(own_home)["stray process"] == f"ingest-api (pid {stray.pid}) is not in the state"
    _, notes = _up(own_home)
    assert not processes.is_alive(stray)
    assert any("left over from an interrupted command" in note for note in notes)


def _wrong(home: Home) -> dict[str, str]:
    return {finding.subject: finding.said for finding in doctor.examine(home) if not finding.well}


def test_doctor_names_each_planted_fault(own_home: Home) -> None:
    state, _ = _up(own_home)
    assert "broker" not in _wrong(own_home)
    own_home.own_key()
    own_home.keys_file.chmod(0o644)
    processes.kill(state.parts["postgres"].process)
    frozen = state.parts["kafka"].process
    with socket.create_server(("127.0.0.1", state.ports["postgres"])):
        os.kill(frozen.pid, signal.SIGSTOP)
        wrong = _wrong(own_home)
        os.kill(frozen.pid, signal.SIGCONT)
    assert wrong["secrets"] == f"others can read {own_home.keys_file}"
    assert wrong["postgres"] == "ended by itself or was killed"
    assert "taken by another program" in wrong[f"port {state.ports['postgres']}"]
    assert "no answer" in wrong["broker"]
