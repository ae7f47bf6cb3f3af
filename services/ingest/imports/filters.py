"""The closed table of filters. Each says what it takes and gives: a wrong mapping is refused before any row is read."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from services.ingest.imports import filter_steps as steps
from services.ingest.imports.cell_values import DECIMAL_STYLES, day_reader, instant_reader
from services.ingest.imports.expressions import Column, Constant, Expression, ExpressionError, Literal, Step, Term
from services.ingest.imports.filter_steps import clock_time
from services.ingest.imports.scope import Use
from services.ingest.imports.values import Cells, Kind, Value
from shared.contracts.currencies import CODES

CLEAR = "clear"
AS_OF = "as_of"
"""The constant that is the as-of day; all others are texts."""
_ANY = frozenset(Kind)
_TEXT = frozenset({Kind.TEXT})
_PLAIN = frozenset({Kind.TEXT, Kind.DATE, Kind.INSTANT, Kind.DECIMAL, Kind.WHOLE})
_NUMBER = frozenset({Kind.TEXT, Kind.DECIMAL})
_MANY = 20


@dataclass(frozen=True, slots=True)
class Known:
    """The names that an expression may use."""

    columns: frozenset[str]
    constants: Mapping[str, str]
    maps: frozenset[str]
    corrections: frozenset[str]
    lookups: Mapping[str, frozenset[str]]
    """Columns of each lookup's file."""


Check = Callable[[Sequence[str], Known], str | None]
"""Looks at the arguments, a column as an empty text, and says why they are refused."""


@dataclass(frozen=True, slots=True)
class Filter:
    """One filter."""

    takes: frozenset[Kind]
    gives: Kind | None
    """None: what it took."""
    make: Callable[[Use], Callable[[Value, Cells], Value]]
    arguments: range = range(1)
    """How many there may be."""
    check: Check | None = None
    reads_columns: bool = False
    """Whether arguments may be columns; else they are words or constants."""
    last: bool = False


def _words(arguments: Sequence[str], fine: Callable[[str], bool], reason: str) -> str | None:
    return None if all(map(fine, arguments)) else reason


def _layout(read: Callable[[str], object]) -> Check:
    def check(arguments: Sequence[str], _known: Known) -> str | None:
        try:
            for layout in arguments:
                read(layout)
        except ValueError as error:
            return str(error)
        return None

    return check


def _style(arguments: Sequence[str], _known: Known) -> str | None:
    return _words(arguments, DECIMAL_STYLES.__contains__, "numbers are written " + ", ".join(DECIMAL_STYLES))


def _money(arguments: Sequence[str], known: Known) -> str | None:
    currency, style = arguments[:1], arguments[1:]
    return _words(currency, lambda c: not c or c in CODES, "needs an ISO 4217 code such as USD") or _style(style, known)


def _map(arguments: Sequence[str], known: Known) -> str | None:
    return _words(arguments, known.maps.__contains__, "no such map is declared under `maps`")


def _correct(arguments: Sequence[str], known: Known) -> str | None:
    return _words(arguments, known.corrections.__contains__, "nothing of this name is declared under `corrections`")


def _found(arguments: Sequence[str], known: Known) -> str | None:
    return _words(arguments, known.lookups.__contains__, "no such lookup is declared under `lookups`")


def _lookup(arguments: Sequence[str], known: Known) -> str | None:
    name, _, column = arguments[0].partition(".")
    if name not in known.lookups:
        return "needs <lookup>.<column>, and the lookup declared under `lookups`"
    return None if column in known.lookups[name] else "no such column is declared for the file of this lookup"


FILTERS: Mapping[str, Filter] = MappingProxyType(
    {
        "date": Filter(_TEXT, Kind.DATE, steps.day, range(2), _layout(day_reader)),
        "instant": Filter(_TEXT, Kind.INSTANT, steps.instant, range(2), _layout(instant_reader)),
        "at": Filter(frozenset({Kind.DATE}), Kind.INSTANT, steps.at, range(1, 2), _layout(clock_time)),
        "day": Filter(frozenset({Kind.INSTANT}), Kind.DATE, steps.date_of),
        "without": Filter(_TEXT, Kind.TEXT, steps.without, range(1, _MANY)),
        "decimal": Filter(_TEXT, Kind.DECIMAL, steps.decimal, range(2), _style),
        "times": Filter(_NUMBER, Kind.DECIMAL, steps.times, range(1, 2), reads_columns=True),
        "money": Filter(_NUMBER, Kind.MONEY, steps.money, range(1, 3), _money, reads_columns=True),
        "whole": Filter(_TEXT, Kind.WHOLE, steps.whole),
        "flag": Filter(_TEXT, Kind.FLAG, steps.flag, range(2, 3)),
        "map": Filter(_TEXT, Kind.TEXT, steps.mapped, range(1, 2), _map),
        "correct": Filter(_TEXT, Kind.TEXT, steps.corrected, range(1, 2), _correct),
        "lookup": Filter(_TEXT, Kind.TEXT, steps.looked_up, range(1, 2), _lookup),
        "found": Filter(_TEXT, Kind.FLAG, steps.found, range(1, 2), _found),
        "pseudonym": Filter(_TEXT, Kind.TEXT, steps.pseudonym, range(2)),
        "concat": Filter(_PLAIN, Kind.TEXT, steps.concat, range(1, _MANY), reads_columns=True),
        "join": Filter(_PLAIN, Kind.TEXT, steps.join, range(1, _MANY), reads_columns=True),
        "default": Filter(frozenset({Kind.TEXT, Kind.DATE}), None, steps.default, range(1, 2), reads_columns=True),
        CLEAR: Filter(_ANY, None, steps.clear, last=True),
        "blank": Filter(_ANY, Kind.FLAG, steps.blank),
        "is": Filter(_TEXT, Kind.FLAG, steps.is_one_of, range(1, _MANY)),
        "is_not": Filter(_TEXT, Kind.FLAG, steps.is_none_of, range(1, _MANY)),
        "not": Filter(frozenset({Kind.FLAG}), Kind.FLAG, steps.negated),
    }
)


def kind_of(expression: Expression, known: Known) -> Kind:
    """What the expression gives. Raises ExpressionError if it names what does not exist or chains what does not fit."""
    kind = _kind_of_term(expression.head, known)
    for place, step in enumerate(expression.steps, start=1):
        kind = _kind_after(step, kind, known, is_last=place == len(expression.steps))
    return kind


def _kind_of_term(term: Term, known: Known) -> Kind:
    if isinstance(term, Column):
        if term.name not in known.columns:
            raise ExpressionError(f"no column {term.name!r} is declared for this file; fixed text is written text:…")
        return Kind.TEXT
    if isinstance(term, Constant):
        if term.name == AS_OF:
            return Kind.DATE
        if term.name not in known.constants:
            raise ExpressionError(f"no constant ${term.name} is declared")
        return Kind.TEXT
    if term.value is None:
        return Kind.NULL
    return Kind.FLAG if isinstance(term.value, bool) else Kind.TEXT


def _kind_after(step: Step, kind: Kind, known: Known, *, is_last: bool) -> Kind:
    known_filter = FILTERS.get(step.name)
    if known_filter is None:
        raise ExpressionError(f"no filter {step.name!r}; there are {', '.join(FILTERS)}")
    if kind not in known_filter.takes or kind is Kind.NULL:
        raise ExpressionError(f"{step.name} takes {_or(known_filter.takes)}, and here it gets {kind}")
    if len(step.arguments) not in known_filter.arguments:
        raise ExpressionError(
            f"{step.name} has {_count(known_filter.arguments)} after its colon, not {len(step.arguments)}"
        )
    if known_filter.last and not is_last:
        raise ExpressionError(f"{step.name} must be the last filter")
    _check_arguments(step, known_filter, kind, known)
    return known_filter.gives or kind


def _check_arguments(step: Step, known_filter: Filter, kind: Kind, known: Known) -> None:
    for term in step.arguments:
        given = _kind_of_term(term, known)
        if isinstance(term, Column) and not known_filter.reads_columns:
            raise ExpressionError(f"{step.name} takes no column as an argument")
        if given is not (kind if step.name == "default" else Kind.TEXT):
            raise ExpressionError(f"{step.name} cannot use {given} here")
    words = [_word(term, known) for term in step.arguments]
    reason = known_filter.check(words, known) if known_filter.check else None
    if reason:
        raise ExpressionError(f"{step.name}: {reason}")


def _word(term: Term, known: Known) -> str:
    if isinstance(term, Constant):
        return known.constants.get(term.name, "")
    return str(term.value) if isinstance(term, Literal) else ""


def _or(kinds: frozenset[Kind]) -> str:
    return " or ".join(kind for kind in Kind if kind in kinds)


def _count(numbers: range) -> str:
    least, most = numbers.start, numbers.stop - 1
    if most == 0:
        return "nothing"
    return str(least) if least == most else f"{least} to {most} arguments"
