"""`quintant source rotate`: a second secret beside the first, until the source signs with it."""

import typer
from rich.markup import escape

from quintant import calendar
from quintant.client import Client
from quintant.sources.adding import check, public_url_of, refused, show_steps
from quintant.sources.asking import Answers
from quintant.sources.cards import card_of
from quintant.sources.file import LiveSecret, SourcesFile
from quintant.sources.secret import make_up
from quintant.sources.steps import Filling
from quintant.stack.errors import StackError
from quintant.terminal import console


def begin(client: Client, file: SourcesFile, name: str, secret: str | None) -> None:
    """Let a new secret in beside the old one, and say where to enter it."""
    made = file.load_entry(name)
    if len(made.secrets) > 1:
        raise StackError(
            f"{name} has two secrets already",
            advice=f"`quintant source rotate {name} --finish` drops the old one, `--cancel` the new one.",
        )
    card = card_of(client, made.adapter)
    answers = Answers(card, name, secret or "")
    if not answers.secret and card.secret.origin == "ours":
        answers.secret = make_up(card.name)
    elif not answers.secret:
        answers.ask_secret()
    old = [one.value for one in made.secrets]
    checked = check(client, card.name, name, [*old, answers.secret], made.settings_said())
    if checked.faults:
        raise refused(name, checked.faults)
    file.replace_secrets(name, (*made.secrets, LiveSecret(answers.secret, calendar.today())))
    console.print("[green]✓[/] Both secrets are good now.")
    shown = answers.secret if card.secret.origin == "ours" else None
    show_steps(Filling(card, public_url_of(client), name, made.settings_said(), shown))
    console.print(f"When it signs with the new one: [bold]quintant source rotate {escape(name)} --finish[/]")


def end(file: SourcesFile, name: str, *, keep_new: bool, yes: bool) -> None:
    """Drop the old secret, or the new one."""
    made = file.load_entry(name)
    if len(made.secrets) != 2:
        raise StackError(f"no rotation of {name} is under way", advice=f"`quintant source rotate {name}` begins one.")
    old, new = made.secrets
    dropped = old if keep_new else new
    if not yes:
        what = "old" if keep_new else "new"
        typer.confirm(f"Refuse from now on what is signed with the {what} secret (of {dropped.since})?", abort=True)
    file.replace_secrets(name, (new if keep_new else old,))
    console.print(f"[green]✓[/] Only the secret of {(new if keep_new else old).since} is good now.", highlight=False)
