"""A service's command that the CLI carries out: how it ended is how the CLI ends."""

import os
from pathlib import Path

import pytest
import typer

from quintant.stack.commands import steps
from quintant.stack.errors import StackError
from quintant.stack.home import Home
from quintant.terminal import failing_plainly


def environment(**settings: str) -> dict[str, str]:
    """Without what is set for this run."""
    ours = ("QUINTANT_", "DATABASE_URL", "KAFKA_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)} | settings


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({}, 2),
        ({"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none", "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}, 1),
    ],
    ids=["no settings", "no server"],
)
def test_the_exit_code_of_a_services_command_is_the_clis(tmp_path: Path, settings: dict[str, str], code: int) -> None:
    home = Home(tmp_path)
    home.prepare()
    with pytest.raises(typer.Exit) as ended, failing_plainly():
        list(steps(home, environment(**settings), "metrics", "rebuild"))
    assert ended.value.exit_code == code


def test_a_person_who_must_look_is_told_by_the_exit_code() -> None:
    with pytest.raises(typer.Exit) as ended, failing_plainly():
        raise StackError("the new build says something else", exit_code=3)
    assert ended.value.exit_code == 3
