"""`rebuild`, `repartition`: all numbers made anew beside the running ones, compared and switched to."""

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from quintant.progress import Steps
from quintant.stack.commands import steps
from quintant.stack.errors import StackError
from quintant.stack.home import Home
from quintant.stack.lifecycle import Stack
from quintant.terminal import console, failing_plainly

FOLDING = ("pipeline", "metrics", "forecast")
_DONE = {"switched", "dropped", "closed", "opened", "begun-epoch"}
_SHOWN = 5


class Screen:
    """A line for each service: what it does, how much of it is done, how fast, how long it takes yet."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._tasks: dict[str, TaskID] = {}
        self._progress = Progress(
            TextColumn("{task.fields[service]:9}"),
            TextColumn("{task.description:42}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[pace]:26}"),
            TimeElapsedColumn(),
            console=console,
            disable=as_json or not console.is_terminal,
        )

    def __enter__(self) -> "Screen":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, service: str, step: Mapping[str, Any]) -> None:
        """One step of a service."""
        if self._as_json:
            typer.echo(json.dumps({"service": service, **step}))
            return
        if service not in self._tasks:
            self._tasks[service] = self._progress.add_task("", total=None, service=service, pace="")
        task, said = self._tasks[service], told(step)
        self._progress.update(task, description=said, pace=pace(step))
        if step.get("of"):
            self._progress.update(task, completed=step["applied"], total=step["of"])
        if step["phase"] in _DONE:
            self._progress.update(task, completed=1, total=1)
        if step["phase"] in _DONE | {"differs"} or not (console.is_terminal or step["phase"] == "filling"):
            console.print(f"{service:9} {said}", highlight=False)
        for one in step.get("differences", ())[:_SHOWN]:
            console.print(f"          {escape(difference(one))}", highlight=False)


def told(step: Mapping[str, Any]) -> str:
    """A step in words."""
    build = f"build {step['build']}" if "build" in step else ""
    match step["phase"]:
        case "begun" | "continued":
            return f"{build} {step['phase']}"
        case "filling":
            return f"filling: {step['applied']:,} of {step['of'] or 0:,} events"
        case "comparing":
            return f"comparing {build} with the running one"
        case "differs":
            return "the new build says something else:"
        case "switched":
            return f"{build} is the current one{_since(step)}"
        case "dropped":
            return f"{build} deleted"
        case "numbering":
            return f"numbering: {step['applied']:,} of {step['of']:,} events"
        case "opened":
            return f"generation {step['generation']} is open, {step['partitions']} partitions"
        case "closed":
            return f"generation {step['generation']} is closed"
        case other:
            return str(step.get("reason", other))


def _since(step: Mapping[str, Any]) -> str:
    if "reason" in step:
        return f": {step['reason']}"
    if step["digest"]:
        return f" now: the same to the last digit ({step['digest'][:12]}…)"
    return " now: its numbers are others"


def pace(step: Mapping[str, Any]) -> str:
    """Rate and time left."""
    if not step.get("rate"):
        return ""
    left = step.get("seconds_left")
    return f"{step['rate']:,}/s" + (f", {left:.0f} s left" if left else "")


def difference(one: Mapping[str, Any]) -> str:
    """Where two builds differ, in one line."""
    if "table" in one:
        rest = {name: value for name, value in one.items() if name not in {"table", "only_in"}}
        return f"{one['table']}, only in the {one['only_in']} build: {_members(rest)}"
    where = {name: value for name, value in one.items() if name not in {"ledger", "more_in_new", "entities"}}
    return (
        f"{one['ledger']} {_members(where)}: {_members(one['more_in_new'], sign='+')} by {', '.join(one['entities'])}"
    )


def _members(values: Mapping[str, Any], sign: str = "") -> str:
    return " ".join(f"{name}={sign}{value}" for name, value in values.items() if value is not None)


def rebuild(
    service: Annotated[str, typer.Argument(help="pipeline, metrics, forecast or all.")],
    *,
    accept: Annotated[bool, typer.Option("--accept", help="Switch also if the numbers differ.")] = False,
    clean: Annotated[bool, typer.Option("--clean", help="Only delete the builds from before.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Each step as a line of JSON.")] = False,
) -> None:
    """Make a service's numbers anew from the stream beside the running ones, compare, and switch if they are equal."""
    if service not in {*FOLDING, "all"}:
        raise typer.BadParameter(f"there is no {service} to rebuild: {', '.join(FOLDING)} or all", param_hint="SERVICE")
    options = ["--accept"] * accept + ["--clean"] * clean
    with _at_work(as_json=as_json) as (home, env, screen):
        side_by_side(home, env, screen, FOLDING if service == "all" else (service,), options)


def repartition(
    partitions: Annotated[int | None, typer.Argument(min=1, max=1024, help="How many; with --clean none.")] = None,
    *,
    accept: Annotated[bool, typer.Option("--accept", help="Switch also if the numbers differ.")] = False,
    clean: Annotated[bool, typer.Option("--clean", help="Delete the generation before and its builds.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Each step as a line of JSON.")] = False,
) -> None:
    """Cut the stream into another number of partitions while everything goes on, and rebuild all services from it."""
    if clean != (partitions is None):
        raise typer.BadParameter("say either a number of partitions or --clean", param_hint="PARTITIONS")
    with _at_work(as_json=as_json) as (home, env, screen):
        if clean:
            side_by_side(home, env, screen, FOLDING, ["--clean"])
        opened: dict[str, Any] = {}
        for opened in steps(home, env, "ingest", "repartition", "--clean" if clean else str(partitions)):
            screen.show("ingest", opened)
        if not clean:
            options = ["--generation", str(opened["generation"]), "--partitions", str(partitions)]
            side_by_side(home, env, screen, FOLDING, options + ["--accept"] * accept)


def side_by_side(
    home: Home, env: Mapping[str, str], screen: Screen, services: Sequence[str], options: Sequence[str]
) -> None:
    """Rebuild these services at the same time; the first failure is raised once all have ended."""

    def one(service: str) -> None:
        for step in steps(home, env, service, "rebuild", *options):
            screen.show(service, step)

    with ThreadPoolExecutor(len(services)) as pool:
        pending = [pool.submit(one, service) for service in services]
    for done in pending:
        done.result()


@contextmanager
def _at_work(*, as_json: bool) -> Iterator[tuple[Home, dict[str, str], Screen]]:
    with failing_plainly():
        home = Home.find()
        state = home.load()
        stack = Stack(home, Steps(console))
        if not stack.has_servers(state):
            raise StackError("nothing runs here", advice="Run `quintant up` first.")
        with Screen(as_json=as_json) as screen:
            yield home, stack.environment(state), screen


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(rebuild)
    app.command()(repartition)
