"""`quintant source add`: from the name of an adapter to the first event."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import typer
from rich.markup import escape

from quintant import calendar
from quintant.client import Client, ServiceError
from quintant.progress import Steps
from quintant.sources import simulating, stages, waiting
from quintant.sources.asking import NAME, Answers
from quintant.sources.cards import Card, Checked, Fault, StageFound, card_of, sources
from quintant.sources.file import SourcesFile, entry
from quintant.sources.secret import make_up
from quintant.sources.steps import Filling, address_trouble
from quintant.stack.errors import StackError
from quintant.terminal import console

_TEST = simulating.Story(things=1, seed=999)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What was typed behind the command."""

    name: str | None = None
    settings: Sequence[str] = ()
    secret: str | None = field(default=None, repr=False)
    yes: bool = False
    """Ask nothing: take what is proposed, and fail where nothing is."""
    test: bool = True
    wait: bool = True


def add(client: Client, file: SourcesFile, adapter: str, wishes: Wishes) -> None:
    """Say what to do in the source, ask, check, write, tell the stages, try it out, and wait for the first event."""
    card = card_of(client, adapter)
    public_url = public_url_of(client)
    answers = _begin(client, file, card, wishes)
    first = _filling(answers, public_url)
    if not wishes.yes:
        console.print(f"Do this in {escape(card.title)}; some of it is asked for below.")
        show_steps(first)
    checked = _answered(client, answers, wishes)
    file.add(answers.name, entry(card.name, answers.secret, calendar.today(), answers.settings))
    waiting.until_taken_up(client, answers.name, file.path)
    console.print(f"[green]✓[/] {escape(answers.name)} is connected; its entry is in {escape(str(file.path))}")
    _tell_stages(client, card, answers, checked.stages, yes=wishes.yes)
    if card.simulates and wishes.test:
        _try(client, answers.name, yes=wishes.yes)
    last = _filling(answers, public_url)
    if wishes.yes or (last.url, last.steps()) != (first.url, first.steps()):
        show_steps(last)
    if wishes.wait:
        waiting.until_heard(client, answers.name)


def _filling(answers: Answers, public_url: str) -> Filling:
    """As far as it is known now. A secret that the source shows is not repeated, unless it belongs into the address."""
    may_show = answers.card.secret.in_url or answers.card.secret.origin == "ours"
    secret = (answers.secret or None) if may_show else None
    return Filling(answers.card, public_url, answers.name, dict(answers.settings), secret)


def public_url_of(client: Client) -> str:
    """Where ingest is reached from outside, as it is told; else as it is reached from here."""
    return str(client.sources().get("public_url") or client.url("ingest"))


def show_steps(filling: Filling) -> None:
    """The address and the steps, to be copied as they stand."""
    console.print("\n[bold]Address[/]")
    console.print(filling.url, highlight=False, markup=False, soft_wrap=True)
    if trouble := address_trouble(filling.url):
        console.print(f"[yellow]! {escape(trouble[0])}[/] {escape(trouble[1])}", highlight=False)
    if filling.secret and not filling.names_secret:
        console.print(f"[bold]{escape(filling.card.secret.title)}[/]")
        console.print(filling.secret, highlight=False, markup=False, soft_wrap=True)
    console.print(f"[bold]In {escape(filling.card.title)}[/]")
    for place, step in enumerate(filling.steps(), 1):
        console.print(f"{place}. {step}", highlight=False, markup=False, soft_wrap=True)
    console.print()


def _begin(client: Client, file: SourcesFile, card: Card, wishes: Wishes) -> Answers:
    """With a name that is free, and what was typed behind the command."""
    answers = Answers(card, wishes.name or card.name, wishes.secret or "")
    answers.take(wishes.settings)
    if not answers.secret and card.secret.origin == "ours":
        answers.secret = make_up(card.name)
    console.print(f"[bold]{escape(card.title)}[/]")
    console.print(f"[dim]{escape(card.authentication)}[/]", highlight=False)
    if not wishes.name and not wishes.yes:
        answers.ask_name()
    configured = {one.name for one in sources(client).items}
    while fault := _name_fault(file, answers.name, configured):
        if wishes.yes or wishes.name:
            raise StackError(f"{answers.name}: {fault}", advice="Say another --name.")
        answers.ask_name(fault)
    return answers


def _name_fault(file: SourcesFile, name: str, configured: set[str | None]) -> str:
    if not NAME.fullmatch(name):
        return "use lower-case letters, digits and hyphens, at most 63"
    if file.find_entry(name) or name in configured:
        return "a source of this name is there already"
    return ""


def _answered(client: Client, answers: Answers, wishes: Wishes) -> Checked:
    """Ask until ingest finds nothing wrong."""
    if not wishes.yes:
        answers.ask_settings()
    if not answers.secret and not wishes.yes:
        answers.ask_secret()
    while True:
        checked = check(client, answers.card.name, answers.name, [answers.secret], answers.settings)
        if checked.faults:
            _mend(answers, checked.faults, yes=wishes.yes)
        elif checked.reached is False and not _keep_unreached(answers, checked.detail, yes=wishes.yes):
            answers.ask_settings_anew()
        else:
            return checked


def check(client: Client, adapter: str, name: str, secrets: Sequence[str], settings: dict[str, Any]) -> Checked:
    """What ingest thinks of it; with credentials it also calls the source."""
    with console.status("checking …"):
        said = {"adapter": adapter, "name": name, "secrets": [one for one in secrets if one], "settings": settings}
        return msgspec.convert(client.check_source(said), Checked)


def _mend(answers: Answers, faults: Sequence[Fault], *, yes: bool) -> None:
    if yes or not all(answers.ask_again(fault) for fault in faults):
        raise refused(answers.name, faults)


def refused(name: str, faults: Sequence[Fault]) -> StackError:
    """Nothing was written, and why."""
    lines = "\n".join(f"  {fault.pointer}: {fault.reason}" for fault in faults)
    return StackError(
        f"{name} cannot be connected like this; nothing was written\n{lines}",
        advice="A setting is said with --set key=value, the secret with --secret-file.",
    )


def _keep_unreached(answers: Answers, detail: str, *, yes: bool) -> bool:
    console.print(f"[yellow]! {escape(answers.card.title)}'s API did not let us in:[/] {escape(detail)}")
    return yes or not typer.confirm("Answer again? (No: keep it so; what comes by webhook is taken in)", default=True)


def _tell_stages(client: Client, card: Card, answers: Answers, found: Sequence[StageFound], *, yes: bool) -> None:
    known = _known_stages(client)
    rows = stages.proposal(found, card.stages, answers.settings.get("pipelines") or {}, known)
    for pipeline in stages.unknown_pipelines(rows, known):
        console.print(f"[yellow]! pipeline {escape(pipeline)} is not configured here[/] (QUINTANT_PIPELINES)")
    if not rows:
        return
    if yes:
        stages.show(rows)
    else:
        rows = stages.edit(rows, known)
    said = stages.events(answers.name, rows, calendar.now())
    for event in said:
        client.send_event(event)
    if said:
        console.print(f"[green]✓[/] said what {sum(1 for row in rows if row.stage)} stages stand for")


def _known_stages(client: Client) -> stages.Stages:
    """Only to propose and to check what is typed: without an answer any stage may be named."""
    try:
        found = client.pipelines()
    except ServiceError:
        return {}
    return {one["pipeline"]: [stage["stage"] for stage in one["stages"]] for one in found}


def _try(client: Client, name: str, *, yes: bool) -> None:
    ended = simulating.Story(_TEST.things, _TEST.seed, end=True)
    try:
        requests = [one for story in (_TEST, ended) for one in simulating.requests_of(client, name, story)]
    except ServiceError as error:
        console.print(f"[yellow]! No test could be made.[/] {escape(str(error))}", highlight=False)
        return
    console.print("A test sends one made-up deal or order, signed as the source signs, and ends it again at once.")
    if not yes and not typer.confirm("Send it?", default=True):
        return
    with Steps(console) as steps:
        sent = simulating.send(client, name, requests, steps, "testing")
    if not sent.well:
        console.print(simulating.summary(sent))
        raise StackError("the test was not taken", advice=f"`quintant source show {name}` and ingest's log tell more.")
    console.print(f"[green]✓[/] {sent.answers.total()} signed requests taken; it is ended again", highlight=False)
    for line in waiting.outcomes(sent.before, sent.after):
        console.print(line, highlight=False)
