"""make_secrets.py: complete, closed to others, never overwriting, and understood by those who read the files."""

import hashlib
import stat
from pathlib import Path

import pytest
from pydantic import SecretStr

from deploy import make_secrets
from shared.http.auth import ApiKeys, Caller
from shared.runtime.entry import load
from tests.unit.deploy.files import compose


def make(directory: Path, *arguments: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What the command says."""
    assert make_secrets.main(arguments, directory) == 0
    return capsys.readouterr().out


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "secrets"


def test_every_secret_of_compose_is_made(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(directory, capsys=capsys)
    assert {path.name for path in directory.iterdir()} == set(compose()["secrets"])
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()} == {0o644}


def test_the_keys_are_let_in(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    owner = make(directory, capsys=capsys).splitlines()[-1]
    keys = ApiKeys(directory / "api_keys")
    assert keys.find(owner) == Caller("owner", frozenset({"read", "write", "admin"}))
    prometheus = (directory / "prometheus_key").read_text().strip()
    assert keys.find(prometheus) == Caller("prometheus", frozenset({"read"}))
    assert owner not in (directory / "api_keys").read_text()


def test_nothing_is_made_twice(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(directory, capsys=capsys)
    before = {path.name: path.read_bytes() for path in directory.iterdir()}
    (directory / "grafana_admin_password").unlink()
    assert make(directory, capsys=capsys) == ""
    after = {path.name: path.read_bytes() for path in directory.iterdir()}
    assert {name for name in after if after[name] != before[name]} == {"grafana_admin_password"}


def test_the_url_is_one_that_a_service_takes(
    directory: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from services.ingest.settings import Settings

    make(directory, capsys=capsys)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv("DATABASE_URL_FILE", str(directory / "database_url"))
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "kafka:9092")
    password = (directory / "database_password").read_text().strip()
    assert load(Settings).database_url == SecretStr(f"postgresql://quintant:{password}@postgres:5432/quintant")


def test_a_running_process_sees_keys_come_and_go(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(directory, capsys=capsys)
    path = directory / "api_keys"
    keys, inode = ApiKeys(path), path.stat().st_ino
    key = make(directory, "key", "shop", "read", "write", capsys=capsys).splitlines()[-1]
    assert keys.find(key) == Caller("shop", frozenset({"read", "write"}))
    second = make(directory, "key", "shop", "read", capsys=capsys).splitlines()[-1]
    assert (keys.find(key), keys.find(second)) == (None, Caller("shop", frozenset({"read"})))
    make(directory, "revoke", "shop", capsys=capsys)
    assert keys.find(second) is None
    assert path.stat().st_ino == inode, "a container would not see another file"
    assert hashlib.sha256(second.encode()).hexdigest() not in path.read_text()


@pytest.mark.parametrize("arguments", [("key", "a:b", "read"), ("key", "shop", "all"), ("key", "shop")])
def test_a_wrong_key_is_refused(
    directory: Path, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    make(directory, capsys=capsys)
    before = (directory / "api_keys").read_bytes()
    with pytest.raises(SystemExit):
        make_secrets.main(arguments, directory)
    assert (directory / "api_keys").read_bytes() == before
