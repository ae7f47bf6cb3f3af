"""What a header means: its words, and what stands in brackets behind them."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from services.ingest.imports.guess.vocabulary import Vocabulary, normal

_BRACKETS = re.compile(r"\(([^()]*)\)|\[([^\[\]]*)\]|【([^】]*)】")
_SEPARATORS = re.compile(r"[\s_/\-]+")
_SHORTEST_CHINESE, _SHORTEST_LATIN = 2, 4


class Sureness(IntEnum):
    """How sure a guess is."""

    DOUBTFUL = 1
    """The header only ends so."""
    LIKELY = 2
    """The last part of a nested name, or the words of one of two readings."""
    CERTAIN = 3
    """The header is one of the known words."""

    @property
    def word(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Heading:
    """A header, understood."""

    name: str
    """As it stands in the file."""
    meanings: Mapping[str, Sureness]
    currency: str | None = None
    multiple: str | None = None
    """By how much its numbers are too small: "10000" for 万元."""

    def sureness(self, meaning: str) -> int:
        return self.meanings.get(meaning, 0)


def read_heading(name: str, words: Vocabulary) -> Heading:
    """What a header may mean, and the unit that it names."""
    text = unicodedata.normalize("NFKC", name)
    inside = [next(filter(None, found.groups()), "") for found in _BRACKETS.finditer(text)]
    currency, multiple = _unit(inside, words)
    return Heading(name, _meanings(_BRACKETS.sub(" ", text), words), currency, multiple)


def _unit(inside: list[str], words: Vocabulary) -> tuple[str | None, str | None]:
    for text in inside:
        unit = text.strip()
        if currency := words.currency(unit):
            return currency, None
        for sign, multiple in sorted(words.multiples.items(), key=lambda item: -len(item[0])):
            rest = unit.casefold().removeprefix(sign).strip()
            if unit.casefold().startswith(sign) and (not rest or words.currency(rest)):
                return words.currency(rest) if rest else None, multiple
    return None, None


def _meanings(text: str, words: Vocabulary) -> dict[str, Sureness]:
    form = normal(text)
    if form in words.meanings:
        return dict.fromkeys(words.meanings[form], Sureness.CERTAIN)
    nested = normal(text.rpartition(".")[2])
    if "." in text and nested in words.meanings:
        return dict.fromkeys(words.meanings[nested], Sureness.LIKELY)
    return dict.fromkeys(_by_its_end(text, form, words), Sureness.DOUBTFUL)


def _by_its_end(text: str, form: str, words: Vocabulary) -> frozenset[str]:
    """The meanings of the longest known word with which the header ends: the head of a compound stands last in both
    languages."""
    if not form.isascii():
        ends = (form[at:] for at in range(1, len(form) - _SHORTEST_CHINESE + 1))
        return next((words.meanings[end] for end in ends if end in words.meanings), frozenset())
    parts = [part for part in _SEPARATORS.split(text) if part]
    tails = (normal(" ".join(parts[at:])) for at in range(1, len(parts)))
    return next(
        (words.meanings[tail] for tail in tails if len(tail) >= _SHORTEST_LATIN and tail in words.meanings), frozenset()
    )
