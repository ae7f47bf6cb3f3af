"""The sources file: private, whole or as it was, and nobody else's entry is touched."""

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quintant.sources.file import Entry, LiveSecret, SourcesFile, entry
from quintant.stack import services
from quintant.stack.errors import StackError
from quintant.stack.home import Home

_DAY = date(2026, 11, 22)
_FOREIGN = b'{"sources":{"other":{"adapter":"x","exact":1.10,"big":12345678901234567890123}},"kept":[1.0]}'


@pytest.fixture
def file(tmp_path: Path) -> SourcesFile:
    return SourcesFile(tmp_path / "sources.json")


def test_an_entry_is_written_as_ingest_reads_it(file: SourcesFile) -> None:
    file.add("eu", entry("crm", "s1", _DAY, {"portal": 3}))
    secret = {"value": "s1", "since": "2026-11-22"}
    assert json.loads(file.path.read_bytes()) == {
        "sources": {"eu": {"adapter": "crm", "secrets": [secret], "settings": {"portal": 3}}}
    }
    assert file.load_entry("eu").settings_said() == {"portal": 3}


def test_only_its_owner_reads_it(file: SourcesFile) -> None:
    file.path.write_bytes(_FOREIGN)
    file.path.chmod(0o644)
    file.add("eu", entry("crm", "s1", _DAY, {}))
    assert {stat.S_IMODE(path.stat().st_mode) for path in file.path.parent.iterdir()} == {0o600}


def test_other_entries_stay_to_the_digit(file: SourcesFile) -> None:
    file.path.write_bytes(_FOREIGN)
    file.add("eu", entry("crm", "s1", _DAY, {}))
    file.replace_secrets("eu", (LiveSecret("s2", _DAY),))
    file.remove("eu")
    assert file.path.read_bytes().translate(None, b" \n") == _FOREIGN


def test_an_entry_is_never_replaced(file: SourcesFile) -> None:
    file.add("eu", entry("crm", "s1", _DAY, {}))
    before = file.path.read_bytes()
    with pytest.raises(StackError, match="already"):
        file.add("eu", entry("crm", "s2", _DAY, {}))
    assert file.path.read_bytes() == before


@pytest.mark.parametrize("broken", [b'{"sources": [', b"[]", b'{"sources": {"eu": {"secrets": "CANARY"}}}'])
def test_what_cannot_be_read_is_left_as_it_is_and_not_repeated(file: SourcesFile, broken: bytes) -> None:
    file.path.write_bytes(broken)
    with pytest.raises(StackError) as raised:
        file.replace_secrets("eu", ())
    assert file.path.read_bytes() == broken
    assert "CANARY" not in str(raised.value)


def test_two_commands_at_once_lose_no_entry(file: SourcesFile) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: file.add(f"s{n}", entry("crm", str(n), _DAY, {})), range(24)))
    assert len(json.loads(file.path.read_bytes())["sources"]) == 24


def test_secrets_are_not_in_what_is_printed_of_it() -> None:
    made = entry("crm", "CANARY", _DAY, {"token": "CANARY"})
    assert "CANARY" not in repr(made) + repr(made.secrets)


@given(st.dictionaries(st.text(min_size=1, max_size=5), st.text(max_size=9), max_size=4), st.text(min_size=1))
def test_settings_and_secret_come_back_as_they_were(settings: dict[str, str], secret: str) -> None:
    made = entry("crm", secret, _DAY, settings)
    assert made == Entry("crm", (LiveSecret(secret, _DAY),), made.settings)
    assert made.settings_said() == settings


def test_the_local_stack_tells_ingest_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(tmp_path)
    monkeypatch.delenv("QUINTANT_INGEST_SOURCES_FILE", raising=False)
    told = services.environment(home, "postgresql://q@127.0.0.1/q", "127.0.0.1:9092")["QUINTANT_INGEST_SOURCES_FILE"]
    assert Path(told) == home.sources_file == SourcesFile.find(home).path
    monkeypatch.setenv("QUINTANT_INGEST_SOURCES_FILE", str(tmp_path / "own.json"))
    assert SourcesFile.find(home).path == tmp_path / "own.json"
    assert services.environment(home, "postgresql://q@127.0.0.1/q", "127.0.0.1:9092")[
        "QUINTANT_INGEST_SOURCES_FILE"
    ] == str(tmp_path / "own.json")


def test_a_file_of_the_callers_own_stays_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "sources"
    path.write_text('{"sources": {}}' + " " * 5000)
    path.chmod(0o644)
    before = path.stat()
    file = SourcesFile(path, in_place=True)
    file.add("crm", entry("twenty", "s", date(2026, 1, 1), {}))
    after = path.stat()
    assert (after.st_ino, stat.S_IMODE(after.st_mode)) == (before.st_ino, 0o644)
    assert file.load_entry("crm").adapter == "twenty"
    assert not list(tmp_path.glob("*.copy"))
