"""The language of mapping files: a column, a text or a constant, sent through filters: `close_value | money:USD`.

It has no loops, no calls and no names but those that the mapping declares; a filter is one of a closed table.
"""

from collections.abc import Iterator
from dataclasses import dataclass

_RESERVED: dict[str, bool | None] = {"true": True, "false": False, "null": None}


class ExpressionError(ValueError):
    """An expression that cannot be meant; the message is the reason."""


@dataclass(frozen=True, slots=True)
class Column:
    """The cell of the present row in this column."""

    name: str


@dataclass(frozen=True, slots=True)
class Constant:
    """`$name`: declared by the mapping, or `$source` or `$as_of`."""

    name: str


@dataclass(frozen=True, slots=True)
class Literal:
    """A text, true, false, or null (None), which clears a field."""

    value: str | bool | None


Term = Column | Constant | Literal


@dataclass(frozen=True, slots=True)
class Step:
    """A filter and its arguments."""

    name: str
    arguments: tuple[Term, ...] = ()

    @property
    def word(self) -> str:
        """The first argument, if it is fixed text."""
        first = self.arguments[0] if self.arguments else None
        return str(first.value) if isinstance(first, Literal) else ""


@dataclass(frozen=True, slots=True)
class Expression:
    """A value and the filters that it goes through, from left to right."""

    text: str
    """As it stands in the mapping."""
    head: Term
    steps: tuple[Step, ...] = ()

    def columns(self) -> Iterator[str]:
        """Every column that it reads, the one that a fault is most likely about first."""
        terms = (self.head, *(term for step in self.steps for term in step.arguments))
        return (term.name for term in terms if isinstance(term, Column))


def parse(text: str) -> Expression:
    """Read an expression. Raises ExpressionError with the reason."""
    scanner = _Scanner(text)
    head = _head(scanner)
    steps = []
    while scanner.take("|"):
        steps.append(_step(scanner))
    if not scanner.at_end():
        raise ExpressionError(f"cannot be read from character {scanner.position + 1} on")
    return Expression(text, head, tuple(steps))


def _head(scanner: "_Scanner") -> Term:
    term = scanner.term("|:")
    if not isinstance(term, Literal):
        return term
    if scanner.quoted:
        raise ExpressionError("fixed text is written text:…, a column with blanks in its name [in brackets]")
    if scanner.take(":"):
        if term.value != "text":
            raise ExpressionError("starts with a column, $constant or text:…; a filter comes after `|`")
        return _fixed_text(scanner)
    word = str(term.value)
    return Literal(_RESERVED[word]) if word in _RESERVED else Column(word)


def _fixed_text(scanner: "_Scanner") -> Literal:
    term = scanner.term("|")
    if not isinstance(term, Literal):
        raise ExpressionError("text: is followed by the text itself")
    return term


def _step(scanner: "_Scanner") -> Step:
    name = scanner.term("|:")
    if not isinstance(name, Literal) or scanner.quoted:
        raise ExpressionError("after `|` comes the name of a filter")
    arguments = []
    more = scanner.take(":")
    while more:
        arguments.append(scanner.term("|,"))
        more = scanner.take(",")
    return Step(str(name.value), tuple(arguments))


class _Scanner:
    """Reads an expression from left to right."""

    __slots__ = ("_text", "position", "quoted")

    def __init__(self, text: str) -> None:
        self._text = text
        self.position = 0
        self.quoted = False
        """Whether the last term stood in quotes."""

    def at_end(self) -> bool:
        self._skip_blanks()
        return self.position == len(self._text)

    def take(self, sign: str) -> bool:
        """Go past the sign if it is next."""
        self._skip_blanks()
        found = self._text.startswith(sign, self.position)
        self.position += found
        return found

    def term(self, ends: str) -> Term:
        """The next term: [column], 'text', $constant, or bare text up to one of the signs in `ends`."""
        self._skip_blanks()
        first = self._text[self.position : self.position + 1]
        self.quoted = first == "'"
        if first == "[":
            return Column(self._until("]"))
        if self.quoted:
            return Literal(self._quoted_text())
        bare = self._bare(ends)
        if not bare:
            raise ExpressionError(f"something is missing at character {self.position + 1}")
        return Constant(bare[1:]) if first == "$" else Literal(bare)

    def _skip_blanks(self) -> None:
        while self._text[self.position : self.position + 1].isspace():
            self.position += 1

    def _bare(self, ends: str) -> str:
        stops = (at for sign in ends if (at := self._text.find(sign, self.position)) >= 0)
        start, self.position = self.position, min(stops, default=len(self._text))
        return self._text[start : self.position].strip()

    def _until(self, closing: str) -> str:
        end = self._text.find(closing, self.position + 1)
        if end < 0:
            raise ExpressionError(f"a {closing} is missing")
        start, self.position = self.position + 1, end + 1
        return self._text[start:end].strip()

    def _quoted_text(self) -> str:
        parts = [self._until_quote()]
        while self._text.startswith("'", self.position):  # two quotes stand for one
            parts.append(self._until_quote())
        return "'".join(parts)

    def _until_quote(self) -> str:
        end = self._text.find("'", self.position + 1)
        if end < 0:
            raise ExpressionError("a closing ' is missing")
        start, self.position = self.position + 1, end + 1
        return self._text[start:end]
