"""`up`, `down`, `status`, `logs`, `doctor`, `reset`: the local stack."""

import shutil
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from quintant import demo, doctor, following, screen
from quintant.progress import Steps
from quintant.stack import postgres
from quintant.stack.errors import StackError
from quintant.stack.home import Home
from quintant.stack.lifecycle import POSTGRES, Stack
from quintant.stack.survey import SERVERS, survey
from quintant.terminal import console, failing_plainly


def up(
    *,
    with_demo: Annotated[bool, typer.Option("--demo/--no-demo", help="Load the demo company.")] = True,
    only_servers: Annotated[bool, typer.Option("--only-servers", help="PostgreSQL and Kafka, no services.")] = False,
) -> None:
    """Start everything, load the demo company, and show what runs."""
    home = Home.find()
    with failing_plainly():
        with Steps(console) as steps:
            stack = Stack(home, steps)
            state = stack.up_servers() if only_servers else stack.up()
            numbers = demo.ensure_and_read(home, state, steps) if with_demo and not only_servers else None
        if only_servers:
            console.print(screen.parts_table(survey(state)[: len(SERVERS)]))
        else:
            screen.closing(console, survey(state), numbers)


def down() -> None:
    """Stop everything. No data is lost; `up` goes on from here."""
    with failing_plainly(), Steps(console) as steps:
        if not Stack(Home.find(), steps).down():
            steps.note("something did not stop in time and was killed; nothing that was accepted is lost by that")


def status() -> None:
    """Show what runs where. The exit code is 1 when a part is not ready."""
    with failing_plainly():
        rows = survey(Home.find().load())
    console.print(screen.parts_table(rows))
    if any(row.trouble for row in rows):
        raise typer.Exit(1)


def logs(
    name: Annotated[str | None, typer.Argument(help="Such as ingest-api or kafka; all by default.")] = None,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as lines are added.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many of the last lines.")] = 40,
) -> None:
    """Show logs."""
    home = Home.find()
    with failing_plainly():
        chosen = [log for log in doctor.logs_of(home) if name in {None, log.stem}]
        if not chosen:
            known = ", ".join(log.stem for log in doctor.logs_of(home)) or "none yet: run `quintant up`"
            raise StackError(f"there is no log {name or ''}".rstrip(), advice=f"There are: {known}.")
        for source, line in following.last_lines(chosen, lines):
            _show_line(source, line, named=len(chosen) > 1)
        for source, line in following.follow(chosen) if follow else ():
            _show_line(source, line, named=len(chosen) > 1)


def _show_line(source: str, line: str, *, named: bool) -> None:
    console.print(Text.assemble((f"{source} ", "cyan") if named else "", line), soft_wrap=True)


def examine() -> None:
    """Say what is wrong and how to mend it. The exit code is 1 when something is."""
    with failing_plainly():
        findings = doctor.examine(Home.find())
    table = Table("", "what", "found", "what to do", box=None, pad_edge=False)
    for finding in findings:
        mark = "[green]✓" if finding.well else "[bold red]✗"
        table.add_row(mark, finding.subject, escape(finding.said), escape(finding.remedy))
    console.print(table)
    if not all(finding.well for finding in findings):
        raise typer.Exit(1)


def reset(*, yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False) -> None:
    """Stop everything and delete all data of the local stack. A database or broker of your own is not touched."""
    home = Home.find()
    data = postgres.home_for(home.directory / POSTGRES)
    if not yes:
        typer.confirm(f"Delete {home.directory} with every event, number and key in it?", abort=True)
    with failing_plainly():
        if home.directory.exists():
            _stop_whatever_runs(home)
            shutil.rmtree(data, ignore_errors=True)
            shutil.rmtree(home.directory)
        console.print("All data of the local stack are deleted. `quintant up` begins anew.")


def _stop_whatever_runs(home: Home) -> None:
    with Steps(console) as steps:
        try:
            home.load()
        except StackError:
            # What runs is found without the state; it is about to be deleted anyway.
            home.state_file.unlink()
        Stack(home, steps).down()


def register(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (up, down, status, logs, reset):
        app.command()(command)
    app.command("doctor")(examine)
