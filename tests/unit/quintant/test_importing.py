"""`quintant import`: what it refuses before it sends anything, how it asks, and what it shows."""

from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from quintant import import_screen
from quintant.cli import app
from quintant.commands.importing import _answers, _askable, _check, _mapping
from quintant.stack.errors import StackError

QUESTION = {"id": "date-order", "text": "Which comes first?", "choices": ["day-first", "month-first"], "file": "a.csv"}
WHEN: dict[str, Any] = {"id": "as_of", "text": "When were these files exported?", "choices": [], "file": None}


def test_a_mapping_among_the_files_is_told(tmp_path: Path) -> None:
    table, mapping = tmp_path / "a.csv", tmp_path / "m.yaml"
    table.touch()
    mapping.touch()
    _check([table], None)
    with pytest.raises(StackError) as error:
        _check([mapping, table], None)
    assert f"--mapping {mapping}" in (error.value.advice or "")
    with pytest.raises(StackError) as error:
        _check([tmp_path / "maven-crm"], None)
    assert "behind --mapping" in (error.value.advice or "")
    with pytest.raises(StackError):
        _check([table], "/import/x")


def test_a_mapping_is_a_preset_or_a_file(tmp_path: Path) -> None:
    assert _mapping(None) is None
    assert _mapping("maven-crm") == "maven-crm"
    (tmp_path / "m.yaml").write_text("name: x")
    assert _mapping(str(tmp_path / "m.yaml")) == b"name: x"
    with pytest.raises(StackError):
        _mapping(str(tmp_path / "gone.yaml"))


def test_answers() -> None:
    assert _answers(["stage:A=B=won", "currency=EUR"]) == {"stage:A=B": "won", "currency": "EUR"}
    with pytest.raises(StackError):
        _answers(["currency"])


def test_where_nobody_can_be_asked_it_says_what_to_write() -> None:
    assert _askable([QUESTION], is_asking=True) == [QUESTION]
    with pytest.raises(StackError) as error:
        _askable([QUESTION, WHEN], is_asking=False)
    assert "--answer 'date-order=day-first|month-first'" in (error.value.advice or "")
    assert "--as-of" in (error.value.advice or "")


def test_it_is_a_command() -> None:
    result = CliRunner().invoke(app, ["import", "--help"], env={"COLUMNS": "160"})
    assert result.exit_code == 0
    assert "--save-mapping" in result.output


def test_the_screens() -> None:
    console = Console(width=160, record=True, file=None, quiet=False)
    seen: dict[str, Any] = {
        "columns": [
            _column("金额", "deal.amount", "certain", "金额 | money:CNY", None),
            _column("天气", None, None, None, "is blank everywhere"),
        ],
        "notes": ["all are taken as confirmed"],
        "events": [
            {
                "row": 2,
                "type": "io.quintant.deal.changed.v1",
                "subject": "D1",
                "time": "2026-03-01T00:00:00Z",
                "data": {"id": "D1", "amount": {"amount": "1234.5", "currency": "CNY"}, "title": "[bold]x"},
            }
        ],
        "outcome": {
            "accepted": 1,
            "duplicate": 0,
            "rejected": 1,
            "warnings": [],
            "rejections": [{"file": "a.csv", "row": 3, "column": "金额", "reason": "must be a number"}],
        },
    }
    import_screen.show_guess(console, seen)
    import_screen.show_preview(console, seen)
    text = console.export_text()
    for expected in (
        "deal.amount",
        "not used: is blank everywhere",
        "confirmed",
        "1,234.5 CNY",
        "[bold]x",
        "must be a",
    ):
        assert expected in text
    assert "1 events accepted, 0 known before, 1 rejected would be the outcome" in text


def _column(name: str, meaning: str | None, sure: str | None, read_as: str | None, note: str | None) -> dict[str, Any]:
    return {"file": "a.csv", "column": name, "meaning": meaning, "sureness": sure, "read_as": read_as, "note": note}
