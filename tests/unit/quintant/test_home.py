"""The folder of a local stack: private, whole after any interruption, and never guessed at."""

import hashlib
import os
import stat
from pathlib import Path

import pytest

from quintant.stack.errors import StackError
from quintant.stack.home import Demo, Home, Part, State
from quintant.stack.processes import ProcessId, identify


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    made.prepare()
    return made


def test_state_is_read_as_it_was_written(home: Home) -> None:
    assert home.load() == State()
    state = State(
        {"kafka": 9092}, {"kafka": Part(ProcessId(1, "boot/2"), "127.0.0.1:9092")}, "id", demo=Demo(["t"], {"a": 1})
    )
    home.save(state)
    assert home.load() == state


def test_unreadable_state_is_an_error_with_advice(home: Home) -> None:
    home.state_file.write_text('{"ports": ')
    with pytest.raises(StackError) as raised:
        home.load()
    assert "Move it away" in raised.value.advice


def test_a_recycled_pid_is_not_taken_for_the_part(home: Home) -> None:
    mine = identify(os.getpid())
    assert mine is not None
    state = State(parts={"kafka": Part(mine, ""), "postgres": Part(ProcessId(mine.pid, "another boot/1"), "")})
    assert state.running("kafka")
    assert state.running("postgres") is None
    assert state.running("ingest-api") is None


def test_secrets_are_private_and_kept(home: Home) -> None:
    assert home.secret("database-password") == home.secret("database-password")
    key = home.own_key()
    assert home.own_key() == key
    for path in home.keys_file.parent.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert key not in home.keys_file.read_text()


def test_a_key_is_stored_as_its_digest_and_replaces_one_of_its_name(home: Home) -> None:
    first = home.create_key("board", ("read",))
    second = home.create_key("board", ("read", "write"))
    other = home.create_key("loader", ("write",))
    digests = [hashlib.sha256(key.encode()).hexdigest() for key in (second, other)]
    assert home.keys_file.read_text() == f"board:{digests[0]}:read,write\nloader:{digests[1]}:write\n"
    assert first != second


def test_one_command_at_a_time(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quintant.stack.home._LOCK_SECONDS", 0)
    with home.exclusively(), pytest.raises(StackError, match="another quintant command"), home.exclusively():
        pass
    with home.exclusively():
        pass
