"""The words that other people's headers and lists are made of: data in headers.yaml, read once."""

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import yaml

from shared.contracts.currencies import CODES


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What a row of a file may be about: an entity, and which meanings its fields take, the best first."""

    entity: str
    says: str
    """For people, and the name of such a file in a mapping."""
    hints: Sequence[str]
    """In the name of a file or sheet."""
    marks: frozenset[str]
    """Meanings that speak for it."""
    id: Sequence[str]
    when: Sequence[str]
    fields: Mapping[str, Sequence[str]]
    line_id: Sequence[str]
    line_fields: Mapping[str, Sequence[str]]
    contact_id: Sequence[str]
    contact_fields: Mapping[str, Sequence[str]]
    fixed: Mapping[str, str]
    """Fields that get this value where no column says them."""

    @property
    def meanings(self) -> frozenset[str]:
        """Every meaning of which it has use."""
        fields = (self.fields, self.line_fields, self.contact_fields)
        taken = {meaning for part in fields for meanings in part.values() for meaning in meanings}
        return frozenset(taken.union(self.marks, self.id, self.when, self.line_id, self.contact_id, _ABOUT))


_ABOUT = ("currency", "customer_name", "owner_email")
"""Meanings that serve other fields."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """All words, in their normal form."""

    meanings: Mapping[str, frozenset[str]]
    """Of a header."""
    kinds: Mapping[str, Kind]
    choices: Mapping[str, Mapping[str, str]]
    """By the list: the value for each word."""
    units: Mapping[str, str]
    """Currency by its name or sign, as written."""
    multiples: Mapping[str, str]

    def currency(self, text: str) -> str | None:
        """The ISO 4217 code that a text names."""
        text = unicodedata.normalize("NFKC", text).strip()
        return text.upper() if text.upper() in CODES else self.units.get(text.casefold())


def normal(text: str) -> str:
    """Letters and digits only, of one width and case."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(char for char in folded if char.isalnum())


@cache
def vocabulary() -> Vocabulary:
    """The words that come with Quintant."""
    text = (resources.files("services.ingest.imports") / "headers.yaml").read_text(encoding="utf-8")
    data = yaml.safe_load(text)
    meanings: dict[str, set[str]] = {}
    for meaning, words in data["words"].items():
        for word in words:
            meanings.setdefault(normal(word), set()).add(meaning)
    return Vocabulary(
        {word: frozenset(found) for word, found in meanings.items()},
        {entity: _kind(entity, said) for entity, said in data["entities"].items()},
        {name: _by_word(lists, normal) for name, lists in data["choices"].items()},
        _by_word(data["units"], lambda word: unicodedata.normalize("NFKC", word).casefold()),
        data["multiples"],
    )


def _by_word(lists: Mapping[str, Sequence[str]], form: Callable[[str], str]) -> dict[str, str]:
    return {form(word): value for value, words in lists.items() for word in words}


def _kind(entity: str, said: Mapping[str, Any]) -> Kind:
    lines, contact = said.get("lines", {}), said.get("contact", {})
    return Kind(
        entity=entity,
        says=said["says"],
        hints=said["hints"],
        marks=frozenset(said["marks"]),
        id=said["id"],
        when=said.get("when", []),
        fields=said["fields"],
        line_id=lines.get("id", []),
        line_fields=lines.get("fields", {}),
        contact_id=contact.get("id", []),
        contact_fields=contact.get("fields", {}),
        fixed=said.get("fixed", {}),
    )
