"""Asks a person what an adapter needs, and asks again, with the reason, for what was not right."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import typer
from rich.markup import escape

from quintant.sources.cards import Card, Fault, Question
from quintant.sources.values import EMPTY, AnswerError, read
from quintant.stack.errors import StackError
from quintant.terminal import console

_OF_EVERY_SOURCE = ("id_prefix", "pipelines")
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_QUOTED = re.compile(r"`(\w+)`")
_HINTS = {"mapping": "a=b, c=d, or @file with JSON", "boolean": "yes or no", "number": "a number"}


@dataclass(slots=True)
class Answers:
    """What was said about one source so far."""

    card: Card
    name: str
    secret: str = field(default="", repr=False)
    settings: dict[str, Any] = field(default_factory=dict, repr=False)

    def take(self, given: Sequence[str]) -> None:
        """Take `key=value`s as typed behind --set."""
        known = {question.name: question for question in self.card.questions}
        for pair in given:
            key, equals, text = pair.partition("=")
            if not equals or key not in known:
                raise StackError(f"--set {key}: write one of {', '.join(known)} and =VALUE")
            try:
                self._keep(known[key], read(known[key], text or EMPTY))
            except AnswerError as error:
                raise StackError(f"--set {key}: {error}") from error

    def ask_settings(self) -> None:
        """Ask everything that was not said yet: what is needed first."""
        for question in self._in_order():
            if question.name not in self.settings:
                self._ask(question)

    def ask_settings_anew(self) -> None:
        """Ask everything again; no answer leaves a setting as it is."""
        for question in self._in_order():
            self._ask(question, keep=question.name in self.settings)

    def _in_order(self) -> list[Question]:
        """What is needed first, and last what every source may be asked. What leaves no choice is not asked."""
        open_ones = (one for one in self.card.questions if one.type != "choice" or len(one.choices or ()) > 1)
        return sorted(open_ones, key=lambda one: (not one.required, one.name in _OF_EVERY_SOURCE))

    def ask_secret(self, reason: str = "") -> None:
        """Ask for the secret that the source shows."""
        _say_why(reason)
        self.secret = _typed(self.card.secret.title, hidden=True, default=None).strip()

    def ask_name(self, reason: str = "") -> None:
        """Ask what the source shall be called here."""
        _say_why(reason)
        self.name = _typed("Name of the source here", hidden=False, default=self.name).strip()

    def ask_again(self, fault: Fault) -> bool:
        """Ask again for what a fault is about; False if nobody was asked about that."""
        head, _, rest = fault.pointer.lstrip("/").partition("/")
        if head == "name":
            self.ask_name(fault.reason)
        elif head == "secrets" and self.card.secret.origin == "source":
            self.ask_secret(fault.reason)
        elif head == "settings" and (question := self._question(rest, fault.reason)):
            self._ask(question, fault.reason)
        else:
            return False
        return True

    def _question(self, place: str, reason: str) -> Question | None:
        """A missing field is named in the reason only."""
        quoted = _QUOTED.search(reason)
        name = place.partition("/")[0] or (quoted[1] if quoted else "")
        return next((one for one in self.card.questions if one.name == name), None)

    def _ask(self, question: Question, reason: str = "", *, keep: bool = False) -> None:
        _say_why(reason)
        if not reason and question.description:
            console.print(f"[dim]{escape(question.description)}[/]", highlight=False)
        while True:
            try:
                value = read(question, _typed(_prompt(question, keep=keep), hidden=question.secret, default=""))
            except AnswerError as error:
                _say_why(str(error))
                continue
            if value is None and keep:
                return
            if value is None and question.required and question.default is None:
                _say_why("is needed")
                continue
            self._keep(question, value)
            return

    def _keep(self, question: Question, value: Any) -> None:
        """What is not said is left out: then the adapter's own default holds."""
        if value is None:
            self.settings.pop(question.name, None)
        else:
            self.settings[question.name] = value


def _prompt(question: Question, *, keep: bool) -> str:
    hints = [", ".join(question.choices)] if question.choices else []
    hints += [_HINTS[question.type]] if question.type in _HINTS else []
    hints += ["or @file"] if question.secret else []
    if keep:
        hints.append("Enter: as before")
    elif question.default not in (None, "", {}, []):
        hints.append(f"Enter: {_shown(question.default)}")
    elif not question.required:
        hints.append("Enter: leave it open" + (f", {EMPTY}: empty" if question.type == "text" else ""))
    return f"{question.asked_as} ({'; '.join(hints)})" if hints else question.asked_as


def _shown(default: Any) -> str:
    return {True: "yes", False: "no"}[default] if isinstance(default, bool) else str(default)


def _typed(prompt: str, *, hidden: bool, default: str | None) -> str:
    said: str = typer.prompt(prompt, default=default, hide_input=hidden, show_default=bool(default))
    return said


def _say_why(reason: str) -> None:
    if reason:
        console.print(f"[red]✗[/] {escape(reason)}", highlight=False)
