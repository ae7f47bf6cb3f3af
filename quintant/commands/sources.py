"""`source …` and `replay`: where events come from."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from quintant import calendar
from quintant.client import Client
from quintant.progress import Steps
from quintant.sources import adding, replaying, rotating, screens, simulating
from quintant.sources.cards import card_of, cards, source, sources
from quintant.sources.file import SourcesFile
from quintant.sources.steps import of_entry
from quintant.stack.errors import StackError
from quintant.stack.home import Home
from quintant.stack.services import urls
from quintant.terminal import console, errors, failing_plainly

app = typer.Typer(help="Connect CRMs, shops and payment systems, and look after them.", no_args_is_help=True)
_Name = Annotated[str, typer.Argument(help="As `quintant source list` shows it.")]
_Secret = Annotated[str | None, typer.Option(help="Its secret; a file or the question keeps it out of your history.")]
_SecretFile = Annotated[
    Path | None, typer.Option(help="A file that holds the secret.", exists=True, dir_okay=False, readable=True)
]
_Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


@contextmanager
def _opened() -> Iterator[tuple[Client, SourcesFile]]:
    with failing_plainly():
        home = Home.find()
        home.prepare()
        with Client(urls(home.load()), home.own_key()) as client:
            yield client, SourcesFile.find(home)


@app.command()
def add(
    adapter: Annotated[str | None, typer.Argument(help="Which kind of source; without it, the list.")] = None,
    *,
    name: Annotated[str | None, typer.Option(help="What it shall be called here; part of its address.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="A setting, key=value or key=@file; may be repeated.")
    ] = None,
    secret: _Secret = None,
    secret_file: _SecretFile = None,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing; take what is proposed.")] = False,
    test: Annotated[bool, typer.Option("--test/--no-test", help="Send a made-up event and end it again.")] = True,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for the first real event.")] = True,
) -> None:
    """Connect a source: asks what it needs, says what to do there, and shows its first event arriving."""
    with _opened() as (client, file):
        if adapter is None:
            console.print(screens.cards_table(cards(client)))
            return
        given = _secret(secret, secret_file)
        wishes = adding.Wishes(name, tuple(settings or ()), given, yes=yes, test=test, wait=wait)
        adding.add(client, file, adapter, wishes)


@app.command("list")
def list_sources() -> None:
    """Every source: when it was last heard, what was refused and why, whether anything got lost. Exit code 1 if one
    has a problem."""
    with _opened() as (client, _):
        found = sources(client)
    console.print(screens.sources_table(found.items, calendar.now()))
    for line in [*filter(None, [found.problem]), *screens.problems(found.items)]:
        console.print(f"[red]![/] {escape(line)}", highlight=False)
    if found.problem or any(one.problem for one in found.items):
        raise typer.Exit(1)


@app.command()
def show(
    name: _Name,
    *,
    reveal: Annotated[bool, typer.Option("--reveal", help="Show its secret in the steps.")] = False,
) -> None:
    """One source: its days, its polls, and the steps again."""
    with _opened() as (client, file):
        found = source(client, name)
        screens.show_source(console, found, calendar.now())
        made = file.find_entry(name)
        if made is None:
            errors.print(f"{escape(name)} is not in {escape(str(file.path))}: its steps cannot be filled in.")
            return
        card = card_of(client, made.adapter)
        adding.show_steps(of_entry(card, adding.public_url_of(client), name, made, reveal=reveal))
        console.print(f"All about it: {card.page}", highlight=False)


@app.command()
def rotate(
    name: _Name,
    *,
    secret: _Secret = None,
    secret_file: _SecretFile = None,
    finish: Annotated[bool, typer.Option("--finish", help="Drop the old secret.")] = False,
    cancel: Annotated[bool, typer.Option("--cancel", help="Drop the new secret.")] = False,
    yes: _Yes = False,
) -> None:
    """Change its secret without losing an event: both are good until --finish."""
    if finish and cancel:
        raise typer.BadParameter("say one of --finish and --cancel")
    with _opened() as (client, file):
        if finish or cancel:
            rotating.end(file, name, keep_new=finish, yes=yes)
        else:
            rotating.begin(client, file, name, _secret(secret, secret_file))


@app.command()
def remove(name: _Name, *, yes: _Yes = False) -> None:
    """Stop listening to a source. What it said stays."""
    with _opened() as (_, file):
        file.load_entry(name)
        if not yes:
            typer.confirm(f"Refuse from now on what {name} sends? What it said stays.", abort=True)
        file.remove(name)
        console.print(f"[green]✓[/] {escape(name)} is no longer listened to. Delete the webhook there, too.")


@app.command()
def simulate(
    name: _Name,
    *,
    things: Annotated[int, typer.Option(help="How many deals or orders.", min=1, max=1000)] = 20,
    seed: Annotated[int, typer.Option(help="Another number, another story.", min=0, max=999)] = 1,
    duplicates: Annotated[int, typer.Option(help="How many in a hundred are sent twice.", min=0, max=100)] = 20,
    reorder: Annotated[bool, typer.Option("--reorder", help="Send them in any order.")] = False,
    end: Annotated[bool, typer.Option("--end", help="Take the made-up things of this seed away again.")] = False,
    yes: _Yes = False,
) -> None:
    """Send made-up signed traffic to your own instance, as the source would."""
    with _opened() as (client, _):
        if not end:
            again = f"quintant source simulate {name} --things {things} --seed {seed} --end"
            console.print("[yellow]These are made-up numbers: they are counted with the real ones.[/]")
            console.print(f"[dim]{escape(again)}[/] takes them away again.", highlight=False, soft_wrap=True)
            if not yes:
                typer.confirm(f"Send {things} made-up deals or orders?", abort=True)
        requests = simulating.requests_of(client, name, simulating.Story(things, seed, end=end))
        requests = simulating.arranged(requests, duplicates=duplicates, reorder=reorder, seed=seed)
        with Steps(console) as steps:
            sent = simulating.send(client, name, requests, steps, f"sending {len(requests)} requests")
        console.print(simulating.summary(sent))
    if not sent.well:
        raise typer.Exit(1)


def replay(
    *,
    name: Annotated[str, typer.Option("--source", help="As `quintant source list` shows it.")],
    since: Annotated[str, typer.Option(help="The first day, such as 2026-11-01, UTC.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change; change nothing.")] = False,
) -> None:
    """Let the present adapter read again what a source sent. The ids stay the same, so nothing doubles."""
    try:
        first = date.fromisoformat(since)
    except ValueError as error:
        raise typer.BadParameter("write a day such as 2026-11-01", param_hint="--since") from error
    with _opened() as (client, _), Steps(console) as steps:
        totals = replaying.replay(client, name, first, dry_run=dry_run, report=steps)
    console.print(replaying.totals_table(totals, dry_run=dry_run))


def _secret(given: str | None, file: Path | None) -> str | None:
    if given is not None and file is not None:
        raise typer.BadParameter("say one of --secret and --secret-file")
    if file is None:
        return given
    text = file.read_text().strip()
    if not text:
        raise StackError(f"{file} is empty")
    return text


def register(root: typer.Typer) -> None:
    """Add these commands."""
    root.add_typer(app, name="source")
    root.command()(replay)
