"""`import`: files in. Without a mapping it shows what it understood and what would come of it, and asks what it cannot
know.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from quintant import import_screen
from quintant.client import Client, NotYetError
from quintant.stack.errors import StackError
from quintant.stack.home import Home
from quintant.stack.services import urls
from quintant.terminal import console, errors, failing_plainly

_COUNTED_SECONDS = 120
_MAPPINGS = {".yaml", ".yml"}
_MOST_QUESTIONS = 200
_AS_OF = "as_of"


@contextmanager
def _client() -> Iterator[Client]:
    with failing_plainly():
        home = Home.find()
        home.prepare()
        with Client(urls(home.load()), home.own_key()) as client:
            yield client


@dataclass(slots=True)
class Request:
    """What shall be imported, and how."""

    files: Sequence[Path]
    mapping: str | bytes | None
    """Name of a preset, or the text of a mapping; None: guess it."""
    options: dict[str, str]
    answers: dict[str, str] = field(default_factory=dict)


def import_files(
    files: Annotated[list[Path], typer.Argument(help="CSV, Excel (.xlsx) or JSON-lines files.")],
    *,
    mapping: Annotated[
        str | None,
        typer.Option(help="Name of a preset (maven-crm, classicmodels) or a mapping file; without it, a guess."),
    ] = None,
    as_of: Annotated[str | None, typer.Option(help="When the files were exported (RFC 3339 with offset).")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen; accept nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    sheet: Annotated[str | None, typer.Option(help="Which sheet of the Excel files.")] = None,
    answer: Annotated[
        list[str] | None, typer.Option(help="Answers a question of the guess: id=choice; may be repeated.")
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="Source of a guessed mapping, such as /import/my-crm: for ever the same.")
    ] = None,
    save_mapping: Annotated[Path | None, typer.Option(help="Write the guessed mapping to this file.")] = None,
    errors_to: Annotated[
        Path | None, typer.Option("--errors", help="Where to write the rejected rows; by default beside each file.")
    ] = None,
    known_as_occurred: Annotated[
        bool, typer.Option("--known-as-occurred", help="First import of a source: known when it happened.")
    ] = False,
    shift_weeks: Annotated[int, typer.Option(help="Move every date by whole weeks.")] = 0,
) -> None:
    """Import files. Sending the same files again adds nothing."""
    options = {"known": "occurred"} if known_as_occurred else {}
    options |= {"as_of": as_of} if as_of else {}
    options |= {"shift_weeks": str(shift_weeks)} if shift_weeks else {}
    options |= {"sheet": sheet} if sheet else {}
    with _client() as client:
        _check(files, source if mapping else None)
        request = Request(files, _mapping(mapping), options, _answers(answer or []))
        if mapping is None:
            guess(client, request, source, save_mapping, is_asking=not yes and _is_a_person())
            if dry_run:
                return
            if not yes:
                _confirm()
        elif save_mapping:
            raise StackError("--save-mapping is for a guessed mapping: this one you have already")
        answered = _send(client, request, dry_run=dry_run)
        _finish(client, request, answered, errors_to, dry_run=dry_run)
    if answered["rejected"]:
        raise typer.Exit(1)


def _check(files: Sequence[Path], source: str | None) -> None:
    for path in files:
        if path.suffix in _MAPPINGS:
            raise StackError(f"{path} is a mapping", advice=f"Write it behind --mapping: --mapping {path}")
        if not path.is_file():
            advice = "Name files after `import`, and a preset or mapping file behind --mapping."
            raise StackError(f"there is no file {path}", advice=advice)
    if source:
        raise StackError("--source is for a guessed mapping: this mapping names its own")


def _mapping(given: str | None) -> str | bytes | None:
    if given is None or not (Path(given).suffix in _MAPPINGS or Path(given).is_file()):
        return given
    if not Path(given).is_file():
        raise StackError(f"there is no mapping file {given}")
    return Path(given).read_bytes()


def _answers(given: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in given:
        name, equals, choice = one.rpartition("=")
        if not equals or not name:
            raise StackError(f"--answer {one}: write id=choice")
        found[name] = choice
    return found


def guess(client: Client, request: Request, source: str | None, save_to: Path | None, *, is_asking: bool) -> None:
    """Find a mapping for the files and show what it means. Raises StackError if something must be asked and cannot."""
    options = {**request.options, **({"source": source} if source else {})}
    seen: dict[str, Any] = {}
    for _round in range(_MOST_QUESTIONS):
        with console.status("looking at the files …"):
            seen = client.preview_import(None, request.files, options, request.answers)
        if not seen["questions"]:
            break
        for question in _askable(seen["questions"], is_asking=is_asking):
            said = _ask(question)
            (options if question["id"] == _AS_OF else request.answers)[question["id"]] = said
    import_screen.show_guess(console, seen)
    import_screen.show_preview(console, seen)
    request.mapping = str(seen["mapping"]).encode()
    request.options |= {name: options[name] for name in (_AS_OF,) if name in options}
    if save_to:
        save_to.write_bytes(request.mapping)
        console.print(
            f"The mapping is in [bold]{escape(str(save_to))}[/]: from now on use --mapping {escape(str(save_to))}"
        )


def _askable(questions: Sequence[Mapping[str, Any]], *, is_asking: bool) -> Sequence[Mapping[str, Any]]:
    """The questions, if there is somebody to ask."""
    if is_asking:
        return questions
    lines = []
    for question in questions:
        choices = "|".join(question["choices"]) or "…"
        option = f"--as-of {choices}" if question["id"] == _AS_OF else f"--answer '{question['id']}={choices}'"
        lines.append(f"{question['text']}\n    {option}")
    raise StackError("the files leave something open", advice="\n".join(lines))


def _ask(question: Mapping[str, Any]) -> str:
    console.print(f"[bold]?[/] {escape(question['text'])}", highlight=False)
    choices: Sequence[str] = question["choices"]
    for number, choice in enumerate(choices, start=1):
        console.print(f"  {number}  {escape(choice)}", highlight=False)
    while True:
        said = str(typer.prompt("number or answer" if choices else "answer")).strip()
        if said.isdecimal() and said not in choices and 1 <= int(said) <= len(choices):
            return choices[int(said) - 1]
        if said and (not choices or said in choices):
            return said
        console.print("[yellow]choose one of these[/]")


def _confirm() -> None:
    if not _is_a_person():
        raise StackError("nobody can be asked here", advice="Say --yes to import what is shown above.")
    typer.confirm("Import this?", abort=True)


def _is_a_person() -> bool:
    return sys.stdin.isatty()


def _send(client: Client, request: Request, *, dry_run: bool) -> dict[str, Any]:
    options = {**request.options, **({"dry_run": "true"} if dry_run else {})}
    with console.status("sending …"):
        return client.import_files(request.mapping or "", request.files, options)


def _finish(
    client: Client, request: Request, answer: Mapping[str, Any], errors_to: Path | None, *, dry_run: bool
) -> None:
    """Show what became of it, write the rejected rows, and wait until the numbers know."""
    import_screen.show_outcome(console, answer, dry_run=dry_run)
    for path in _write_errors(client, request.files, answer, errors_to):
        console.print(
            f"Rejected rows are in [bold]{escape(str(path))}[/]: mend them there and import that file the same way."
        )
    if answer["token"]:
        _wait(client, answer["token"])


def _write_errors(
    client: Client, files: Sequence[Path], answer: Mapping[str, Any], errors_to: Path | None
) -> Iterator[Path]:
    names = [one["file"] for one in answer["error_files"]]
    if errors_to and not errors_to.is_dir():
        if names:
            client.save_import_errors(answer["import_id"], None, errors_to)
            yield errors_to
        return
    for path in files:
        if path.name in names:
            beside = (errors_to or path.parent) / f"{path.stem}.errors.csv"
            target = beside if beside != path else path.with_name(f"{path.stem}.2.csv")
            client.save_import_errors(answer["import_id"], path.name, target)
            yield target


def _wait(client: Client, token: str) -> None:
    try:
        with console.status("counting …"):
            client.wait_until_applied(token, _COUNTED_SECONDS)
    except NotYetError:
        errors.print("[yellow]Everything is accepted, but not counted yet: see `quintant doctor`.[/]")
    else:
        console.print("[green]✓[/] counted: the numbers know it now")


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command("import")(import_files)
