"""`kpi`, `keys`: numbers out, and who may ask."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from quintant import screen
from quintant.client import Client
from quintant.stack.home import SCOPES, Home
from quintant.stack.services import urls
from quintant.terminal import console, errors, failing_plainly

_PERSONS = {"member", "manager"}
"""Dimensions whose values are pseudonyms."""
_KEY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
keys = typer.Typer(help="Keys for the HTTP interfaces.", no_args_is_help=True)


@contextmanager
def _client() -> Iterator[Client]:
    with failing_plainly():
        home = Home.find()
        home.prepare()
        with Client(urls(home.load()), home.own_key()) as client:
            yield client


def kpi(
    slug: Annotated[str | None, typer.Argument(help="Such as deals-won-value; without it, the list.")] = None,
    *,
    by: Annotated[list[str] | None, typer.Option(help="Dimension to slice by; may be given twice.")] = None,
    from_: Annotated[str | None, typer.Option("--from", help="First day, such as 2026-01-01.")] = None,
    to: Annotated[str | None, typer.Option(help="Last day.")] = None,
    grain: Annotated[str | None, typer.Option(help="day, week, month, quarter or fiscal-year.")] = None,
    known_at: Annotated[str | None, typer.Option(help="As it was known at the end of that day.")] = None,
    where: Annotated[list[str] | None, typer.Option("--filter", help="dimension=value; may be repeated.")] = None,
) -> None:
    """Show a number, whole or sliced."""
    parameters: dict[str, str | list[str]] = {"by": by or [], "filter": [_filter(given) for given in where or []]}
    single = {"from": from_, "to": to, "grain": grain, "known_at": known_at}
    parameters |= {name: value for name, value in single.items() if value}
    with _client() as client:
        if slug is None:
            _show_catalogue(client.catalogue())
        else:
            answer = client.kpi(slug, {name: value for name, value in parameters.items() if value})
            console.print(f"[bold]{screen.title(answer)}[/] ({answer['kpi']})")
            persons = {str(row[name]) for row in answer["rows"] for name in _PERSONS & set(answer["by"]) if row[name]}
            console.print(screen.kpi_table(answer, client.names(sorted(persons))))
            console.print(f"[dim]as of {answer['as_of']}, {answer['events_behind']} events behind[/]", highlight=False)


def _filter(given: str) -> str:
    dimension, equals, value = given.partition("=")
    if not equals:
        raise typer.BadParameter(f"write dimension=value, not {given}", param_hint="--filter")
    return f"{dimension}:{value}"


def _show_catalogue(answer: dict[str, Any]) -> None:
    table = Table("slug", "title", "unit", "meaning")
    for item in answer["items"]:
        table.add_row(item["slug"], screen.title(item), item["unit"], escape(item["formula"]))
    console.print(table)


@keys.command()
def create(
    name: Annotated[str, typer.Argument(help="Who will use it; a key of that name is replaced.")],
    scope: Annotated[list[str], typer.Option(help=f"One of {', '.join(SCOPES)}; may be repeated.")],
) -> None:
    """Make a key and show it once. Only its SHA-256 is stored; running services take it up by themselves."""
    unknown = [given for given in scope if given not in SCOPES]
    if unknown:
        raise typer.BadParameter(f"{unknown[0]} is no scope: use {', '.join(SCOPES)}", param_hint="--scope")
    if not _KEY_NAME.fullmatch(name):
        raise typer.BadParameter("use letters, digits, dots, hyphens, underscores", param_hint="NAME")
    with failing_plainly():
        home = Home.find()
        home.prepare()
        key = home.create_key(name, tuple(dict.fromkeys(scope)))
    errors.print(f"Key for [bold]{escape(name)}[/]; it is shown only now:")
    console.print(key, highlight=False, soft_wrap=True)


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(kpi)
    app.add_typer(keys, name="keys")
