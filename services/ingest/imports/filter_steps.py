"""What each filter does to a value. A step is made once for a file and runs for every row."""

import re
from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal

from services.ingest.imports.cell_values import (
    DECIMAL_STYLES,
    CellError,
    day_reader,
    instant_reader,
    read_day,
    read_decimal,
    read_instant,
)
from services.ingest.imports.expressions import Column, Constant, Term
from services.ingest.imports.scope import Use
from services.ingest.imports.values import CLEARED, Cells, Value, as_text
from shared.kernel.ids import derived_id
from shared.kernel.money import EXACT, plain

Step = Callable[[Value, Cells], Value]
_PSEUDONYM_DIGITS = 12
_LONGEST_WHOLE = 18


def _of_text(read: Callable[[str], Value]) -> Step:
    return lambda value, _cells: None if value is None else read(str(value))


def day(use: Use) -> Step:
    """`date` or `date:DD.MM.YYYY`."""
    return _of_text(day_reader(use.word) if use.arguments else read_day)


def instant(use: Use) -> Step:
    """`instant` or `instant:DD.MM.YYYY hh:mm`."""
    return _of_text(instant_reader(use.word) if use.arguments else read_instant)


def clock_time(word: str) -> time:
    """HH:MM or HH:MM:SS. Raises ValueError."""
    try:
        found = time.fromisoformat(word)
    except ValueError:
        found = None
    if found is None or found.tzinfo or ":" not in word:
        raise ValueError("a time of day is written 18:00")
    return found


def at(use: Use) -> Step:
    """`at:18:00`: a time of day on the date, in the company's zone."""
    moment = clock_time(use.word)
    return lambda value, _cells: datetime.combine(value, moment) if isinstance(value, date) else None


def date_of(use: Use) -> Step:
    """`day`: the business date of a time, in the company's zone."""
    zone = use.scope.zone

    def step(value: Value, _cells: Cells) -> Value:
        if not isinstance(value, datetime):
            return None
        return value.astimezone(zone).date() if value.tzinfo else value.date()

    return step


def without(use: Use) -> Step:
    """`without:¥,元`: the text without these signs; blank if nothing is left."""
    signs = re.compile("|".join(re.escape(word) for word in sorted(use.words, key=len, reverse=True)))
    return _of_text(lambda text: signs.sub("", text).strip() or None)


def _number(style: Callable[[str], Decimal]) -> Callable[[Value], Decimal]:
    return lambda value: value if isinstance(value, Decimal) else style(str(value))


def decimal(use: Use) -> Step:
    """`decimal`, `decimal:point` or `decimal:comma`."""
    return _of_text(DECIMAL_STYLES[use.word if use.arguments else "plain"])


def times(use: Use) -> Step:
    """`times:[column]`: the exact product; blank if one of the two is."""
    number, other = _number(read_decimal), use.scope.getter(use.arguments[0])

    def step(value: Value, cells: Cells) -> Value:
        factor = other(cells)
        return None if value is None or factor is None else EXACT.multiply(number(value), number(factor))

    return step


def money(use: Use) -> Step:
    """`money:USD`, `money:[currency]`, `money:EUR,comma`."""
    number = _number(DECIMAL_STYLES[use.words[1] if use.arguments[1:] else "plain"])
    currency_of = use.scope.getter(use.arguments[0])

    def step(value: Value, cells: Cells) -> Value:
        if value is None:
            return None
        currency = currency_of(cells)
        if currency is None:
            raise CellError("has no currency")
        return {"amount": plain(number(value)), "currency": str(currency)}

    return step


def whole(_use: Use) -> Step:
    """`whole`."""

    def read(text: str) -> Value:
        if not text.lstrip("-").isdecimal() or not text.isascii() or len(text) > _LONGEST_WHOLE:
            raise CellError("must be a whole number")
        return int(text)

    return _of_text(read)


def flag(use: Use) -> Step:
    """`flag:yes,no`: the word for true, the word for false."""
    answers = dict(zip(use.words, (True, False), strict=True))

    def read(text: str) -> Value:
        if text not in answers:
            raise CellError(f"must be {' or '.join(answers)}")
        return answers[text]

    return _of_text(read)


def mapped(use: Use) -> Step:
    """`map:name`: every value must be in the map."""
    values, name = use.scope.maps[use.word], use.word

    def read(text: str) -> Value:
        if text not in values:
            raise CellError(f"is none of the values of the map {name}")
        return values[text]

    return _of_text(read)


def corrected(use: Use) -> Step:
    """`correct:name`: known misspellings are mended and counted, the rest stays as it is."""
    values, note, column = use.scope.corrections[use.word], use.scope.tally.note, use.column

    def read(text: str) -> Value:
        if text not in values:
            return text
        note("corrected-value", f'{column}: "{text}" read as "{values[text]}"')
        return values[text]

    return _of_text(read)


def looked_up(use: Use) -> Step:
    """`lookup:orders.customerNumber`: the cell of the row with this key; blank and counted if there is no such row."""
    name, _, column = use.word.partition(".")
    table, note = use.scope.lookups[name], use.scope.tally.note
    place = table.columns.get(column)
    missing = f"{use.column}: no row of {table.file} has this key, so what was to be looked up is left unsaid"

    def read(text: str) -> Value:
        row = table.rows.get(text)
        if row is None:
            note("not-found", missing)
            return None
        return None if place is None else row[place] or None

    return _of_text(read)


def found(use: Use) -> Step:
    """`found:orders`: whether there is a row with this key."""
    rows = use.scope.lookups[use.word].rows
    return lambda value, _cells: value in rows


def pseudonym(use: Use) -> Step:
    """`pseudonym` or `pseudonym:c`: an id that does not say who it is, the same for the same text of one source."""
    prefix, source = use.word if use.arguments else "m", use.scope.source
    return _of_text(lambda text: f"{prefix}-{derived_id(source, text)[:_PSEUDONYM_DIGITS]}")


def concat(use: Use) -> Step:
    """`concat:'-',[column]`: one text after the other; blank if one of them is."""
    others = [use.scope.getter(term) for term in use.arguments]

    def step(value: Value, cells: Cells) -> Value:
        parts = [value, *(other(cells) for other in others)]
        return None if any(part is None for part in parts) else "".join(map(as_text, parts))

    return step


def join(use: Use) -> Step:
    """`join:', ',[column]`: what is not blank, with the first argument between."""
    between, others = use.word, [use.scope.getter(term) for term in use.arguments[1:]]

    def step(value: Value, cells: Cells) -> Value:
        parts = [value, *(other(cells) for other in others)]
        return between.join(as_text(part) for part in parts if part is not None) or None

    return step


def default(use: Use) -> Step:
    """`default:x`: what a blank stands for, counted."""
    other, note = use.scope.getter(use.arguments[0]), use.scope.tally.note
    text = f"{use.column} is blank: {_described(use.arguments[0])} is used"

    def step(value: Value, cells: Cells) -> Value:
        if value is not None:
            return value
        note("default-used", text)
        return other(cells)

    return step


def _described(term: Term) -> str:
    if isinstance(term, Column):
        return term.name
    return f"${term.name}" if isinstance(term, Constant) else f'"{term.value}"'


def clear(_use: Use) -> Step:
    """`clear`: a blank clears the field, where it would leave it unsaid."""
    return lambda value, _cells: CLEARED if value is None else value


def blank(_use: Use) -> Step:
    """`blank`: whether there is nothing."""
    return lambda value, _cells: value is None


def is_one_of(use: Use) -> Step:
    """`is:Won,Lost`."""
    words = frozenset(use.words)
    return lambda value, _cells: value in words


def is_none_of(use: Use) -> Step:
    """`is_not:Cancelled`; true for a blank."""
    words = frozenset(use.words)
    return lambda value, _cells: value not in words


def negated(_use: Use) -> Step:
    """`not`; a blank counts as false."""
    return lambda value, _cells: not value
