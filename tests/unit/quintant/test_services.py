"""What the service processes get told."""

from pathlib import Path

import pytest

from quintant.stack import services
from quintant.stack.home import Home, Part, State
from quintant.stack.lifecycle import given_database_url
from quintant.stack.processes import ProcessId

_ROLE = services.ROLES[0]


def _environment(tmp_path: Path) -> dict[str, str]:
    return services.environment(Home(tmp_path), "postgresql://q:pw@127.0.0.1:5432/q", "127.0.0.1:9092")


def test_eight_processes_on_eight_ports() -> None:
    assert len({role.name for role in services.ROLES}) == 8
    assert {role.usual_port for role in services.ROLES} == {*range(8101, 8105), *range(8111, 8115)}


def test_the_callers_settings_are_handed_on_and_its_secret_file_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUINTANT_BASE_CURRENCY", "CNY")
    monkeypatch.setenv("DATABASE_URL_FILE", "/nowhere")
    given = _environment(tmp_path)
    assert given["QUINTANT_BASE_CURRENCY"] == "CNY"
    assert "DATABASE_URL_FILE" not in given
    assert given["QUINTANT_HTTP_HOST"] == "127.0.0.1"


def test_other_settings_make_another_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = services.made_from(_ROLE, _environment(tmp_path))
    assert services.made_from(_ROLE, _environment(tmp_path)) == before
    monkeypatch.setenv("QUINTANT_LOG_LEVEL", "debug")
    assert services.made_from(_ROLE, _environment(tmp_path)) != before


def test_the_database_may_be_given_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    assert given_database_url() is None
    secret = tmp_path / "url"
    secret.write_text("postgresql://u:p@db/q\n")
    monkeypatch.setenv("DATABASE_URL_FILE", str(secret))
    assert given_database_url() == "postgresql://u:p@db/q"


def test_addresses_come_from_what_runs() -> None:
    state = State(parts={"metrics-api": Part(ProcessId(1, "x"), "http://127.0.0.1:8203")})
    assert services.urls(state)["metrics"] == "http://127.0.0.1:8203"
    assert services.urls(state)["ingest"] == "http://127.0.0.1:8101"
