"""One file with its headers understood: what its rows are about, and which column says what."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from services.ingest.imports.guess.headings import Heading, Sureness, read_heading
from services.ingest.imports.guess.samples import Sample
from services.ingest.imports.guess.understood import Question, Understood
from services.ingest.imports.guess.vocabulary import Kind, Vocabulary, normal

_MARK, _HINT, _ENOUGH, _AHEAD = 3.0, 2.5, 3.0, 1.0
_BARE = re.compile(r"[^\s|:,'\[\]$][^\s|:,'\[\]]*")
_RESERVED = frozenset({"true", "false", "null", "text"})
_FILLED = 0.99


@dataclass(frozen=True, slots=True)
class Column:
    """A column that an expression can name."""

    place: int
    heading: Heading
    values: Sequence[str]
    """Those that are not blank."""

    @property
    def name(self) -> str:
        return self.heading.name

    @property
    def expression(self) -> str:
        """Its cell, in the mapping language."""
        is_bare = _BARE.fullmatch(self.name) and self.name not in _RESERVED
        return self.name if is_bare else f"[{self.name}]"

    @property
    def labels(self) -> list[str]:
        """Its different values, in the order in which they come."""
        return list(dict.fromkeys(self.values))


@dataclass(slots=True)
class Asking:
    """What has to be asked, and what was answered."""

    answers: Mapping[str, str]
    open: dict[str, Question] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)

    def ask(self, question: Question) -> str | None:
        """The answer, if it was given and is one."""
        self.asked.add(question.id)
        given = self.answers.get(question.id)
        if given and (not question.choices or given in question.choices):
            return given
        self.open[question.id] = question
        return None


@dataclass
class Table:
    """A file. What of it is used is noted as the mapping is made."""

    sample: Sample
    words: Vocabulary
    used: dict[int, tuple[list[str], str, Sureness]] = field(default_factory=dict)
    """By place: for what, read how, and how sure."""
    notes: dict[int, str] = field(default_factory=dict)

    @cached_property
    def columns(self) -> list[Column]:
        """The columns that have a name of their own."""
        found = []
        for place, name in enumerate(self.sample.header):
            if not name or "]" in name or self.sample.header.count(name) > 1 or not name.isprintable():
                self.notes[place] = _nameless(name)
            else:
                found.append(Column(place, read_heading(name, self.words), self.sample.values(place)))
        return found

    def saying(self, meanings: Iterable[str]) -> Iterator[Column]:
        """The columns with one of these meanings, the best meaning first, of each the surest column first."""
        for meaning in meanings:
            found = [column for column in self.columns if column.heading.sureness(meaning)]
            yield from sorted(found, key=lambda column: -column.heading.sureness(meaning))

    def first(self, *meanings: str) -> Column | None:
        return next(self.saying(meanings), None)

    def use(self, column: Column, meaning: str, read_as: str, sureness: Sureness | None = None) -> str:
        """Note that a column is used; the expression."""
        best = sureness or max(column.heading.meanings.values(), default=Sureness.LIKELY)
        meanings, _read_as, _sureness = self.used.get(column.place, ([], "", best))
        if meaning not in meanings:
            meanings.append(meaning)
        self.used[column.place] = (meanings, read_as, best)
        return read_as

    def note(self, column: Column, text: str) -> None:
        self.notes.setdefault(column.place, text)

    def is_key(self, columns: Sequence[Column]) -> bool:
        """Whether these columns tell all rows apart, and are never blank."""
        keys = [tuple(row[column.place] for column in columns) for row in self.sample.rows]
        return all(all(key) for key in keys) and len(set(keys)) == len(keys)

    def is_filled(self, column: Column) -> bool:
        return len(column.values) >= _FILLED * len(self.sample.rows)

    def understood(self) -> Iterator[Understood]:
        """Every column, in its order."""
        for place, name in enumerate(self.sample.header):
            meanings, read_as, sureness = self.used.get(place, ([], None, None))
            yield Understood(
                self.sample.name,
                name,
                ", ".join(meanings) or None,
                sureness.word if sureness else None,
                read_as,
                self.notes.get(place),
            )


def _nameless(name: str) -> str:
    if not name:
        return "has no name"
    return (
        "its name cannot be written in a mapping"
        if "]" in name or not name.isprintable()
        else "stands in the header twice"
    )


def kind_of(table: Table, asking: Asking) -> Kind | None:
    """What the rows of a table are about; None if it must be asked."""
    kinds = table.words.kinds
    scores = sorted(((_score(table, kind), kind) for kind in kinds.values()), key=lambda item: -item[0])
    (best, kind), (second, _other) = scores[:2]
    identity = f"entity:{table.sample.name}"
    if best >= _ENOUGH and best - second >= _AHEAD and identity not in asking.answers:
        return kind
    text = f"What is a row of {table.sample.name}? Its headers do not tell."
    answer = asking.ask(Question(identity, text, tuple(kinds), table.sample.name))
    return kinds[answer] if answer else None


def _score(table: Table, kind: Kind) -> float:
    known = kind.meanings
    score = 0.0
    for column in table.columns:
        weights = [
            (_MARK if meaning in kind.marks else 1.0) * sureness / Sureness.CERTAIN
            for meaning, sureness in column.heading.meanings.items()
            if meaning in known
        ]
        score += max(weights, default=0.0)
    name = normal(table.sample.name)
    return score + (_HINT if any(normal(hint) in name for hint in kind.hints) else 0.0)
