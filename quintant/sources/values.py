"""Reads what a person typed as the value of a setting."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from quintant.sources.cards import Question

EMPTY = '""'
"""What is typed for a text that is there and empty."""
_YES, _NO = {"yes", "y", "true", "1"}, {"no", "n", "false", "0"}


class AnswerError(ValueError):
    """An answer that cannot be read. Says what would do, never what was given: it may be a secret."""


def read(question: Question, text: str) -> Any:
    """The value behind an answer; None stands for no answer, `""` for empty text. `@path` takes the text of a file."""
    text = text.strip()
    if text == EMPTY and question.type == "text":
        return ""
    if text.startswith("@"):
        text = _of_file(text[1:])
    return _READERS[question.type](question, text) if text else None


def _of_file(path: str) -> str:
    try:
        return Path(path).expanduser().read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise AnswerError("the file behind @ cannot be read") from error


def _text(_question: Question, text: str) -> str:
    return text


def _number(_question: Question, text: str) -> int | float:
    try:
        value = int(text) if text.lstrip("+-").isdecimal() else float(text)
    except ValueError as error:
        raise AnswerError("must be a number") from error
    if not math.isfinite(value):
        raise AnswerError("must be a number")
    return value


def _boolean(_question: Question, text: str) -> bool:
    if text.lower() not in _YES | _NO:
        raise AnswerError("must be yes or no")
    return text.lower() in _YES


def _choice(question: Question, text: str) -> str:
    choices = question.choices or ()
    if text not in choices:
        raise AnswerError(f"must be one of {', '.join(choices)}")
    return text


def _mapping(_question: Question, text: str) -> dict[str, Any] | list[Any]:
    if text.startswith(("{", "[")):
        try:
            return msgspec.json.decode(text, type=dict[str, Any] | list[Any])
        except msgspec.DecodeError as error:
            raise AnswerError("must be JSON") from error
    pairs = [pair.partition("=") for pair in text.split(",")]
    if not all(equals and key.strip() for key, equals, _ in pairs):
        raise AnswerError("must be a=b, c=d")
    return {key.strip(): value.strip() for key, _, value in pairs}


_READERS: Mapping[str, Callable[[Question, str], Any]] = {
    "text": _text,
    "number": _number,
    "boolean": _boolean,
    "choice": _choice,
    "mapping": _mapping,
}
