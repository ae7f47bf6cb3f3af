"""How a column writes its numbers, told by its values: marks for thousands, signs of currencies, percent."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from services.ingest.imports.cell_values import DECIMAL_STYLES, CellError
from services.ingest.imports.guess.samples import is_tolerable
from services.ingest.imports.guess.vocabulary import Vocabulary

_NUMBER = re.compile(r"([^0-9.,+\-]*)([+-]?[0-9., \u00a0\u202f]*[0-9])([^0-9.,+\-]*)")
_THOUSANDS_POINT = re.compile(r"[+-]?[0-9]{1,3}(?:\.[0-9]{3})+")
_MOST_SIGNS = 6


@dataclass(frozen=True, slots=True)
class NumberStyle:
    """How numbers are written: a style of the mapping language, and the signs around them."""

    style: str
    signs: tuple[str, ...] = ()
    currency: str | None = None
    is_percent: bool = False
    is_ambiguous: bool = False
    """1.234 may be a thousand and more, or one and a bit."""

    @property
    def without(self) -> str:
        """The filter that takes the signs away."""
        return f" | without:{','.join(quoted(sign) for sign in self.signs)}" if self.signs else ""


def quoted(word: str) -> str:
    """A text as an argument of a filter."""
    doubled = word.replace("'", "''")
    return f"'{doubled}'"


def number_style(values: Sequence[str], words: Vocabulary, *, has_semicolons: bool) -> NumberStyle | None:
    """How a column writes numbers; None if it holds none. `values` are not blank; `has_semicolons`: the file parts its
    columns with them, as programs do where the comma is the decimal sign."""
    found = [match for value in values if (match := _NUMBER.fullmatch(value))]
    if not values or not is_tolerable(len(values) - len(found), len(values)):
        return None
    signs = {sign.strip() for match in found for sign in (match[1], match[3])} - {""}
    currencies = {words.currency(sign) for sign in signs - {"%"}}
    if len(signs) > _MOST_SIGNS or len(currencies) > 1 or (None in currencies and signs - {"%"}):
        return None
    numbers = [match[2].strip() for match in found]
    style = _style(numbers, has_semicolons=has_semicolons)
    if style is None:
        return None
    return NumberStyle(
        style,
        tuple(sorted(signs)),
        next(iter(currencies), None),
        "%" in signs,
        _is_ambiguous(numbers, style, has_semicolons=has_semicolons),
    )


def _style(numbers: Sequence[str], *, has_semicolons: bool) -> str | None:
    order = ("plain", "comma", "point") if has_semicolons else ("plain", "point", "comma")
    wrong = {style: sum(not _reads(style, number) for number in numbers) for style in order}
    best = min(order, key=wrong.__getitem__)
    return best if is_tolerable(wrong[best], len(numbers)) else None


def _reads(style: str, number: str) -> bool:
    try:
        DECIMAL_STYLES[style](number)
    except CellError:
        return False
    return True


def _is_ambiguous(numbers: Sequence[str], style: str, *, has_semicolons: bool) -> bool:
    """Only where the comma is the decimal sign are points between thousands usual, and commas between them not."""
    if not has_semicolons:
        return False
    marked = [number for number in numbers if "." in number or "," in number]
    if style == "plain":
        return bool(marked) and all(map(_THOUSANDS_POINT.fullmatch, marked))
    return (
        style == "comma"
        and bool(marked)
        and all(re.fullmatch(r"[+-]?[0-9]{1,3},[0-9]{3}", number) for number in marked)
    )
