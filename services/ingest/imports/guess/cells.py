"""Expressions for the cells of a table: how a column is read as money, a date, a number, a choice or a person."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from services.ingest.imports.guess.dates import DAY_FIRST, MONTH_FIRST, DateStyle, date_style
from services.ingest.imports.guess.numbers import NumberStyle, number_style, quoted
from services.ingest.imports.guess.tables import Asking, Column, Table
from services.ingest.imports.guess.understood import Question
from services.ingest.imports.guess.vocabulary import normal
from services.ingest.imports.values import Kind
from shared.contracts.currencies import CODES

_MOST_LABELS = 50
_SHOWN = 5
_ASKED = frozenset({"order.status", "payment.kind"})
"""Choices that decide whether and how something counts: where a label is not known, it is asked."""


@dataclass(slots=True)
class Shared:
    """What the tables of one import share."""

    asking: Asking
    orders: frozenset[str]
    """In which orders of day and month some column is surely written."""
    maps: dict[str, dict[str, str]] = field(default_factory=dict)
    stages: Mapping[str, str] = field(default_factory=dict)
    """Stages that the company has, by their normal form."""


@dataclass(slots=True)
class Cells:
    """Makes expressions for one table."""

    table: Table
    shared: Shared

    def of_kinds(self, meaning: str, kinds: Sequence[Kind], columns: Iterable[Column]) -> str | None:
        """The expression for a field, of the first of these columns that holds such values."""
        for column in columns:
            if read_as := self._read(meaning, kinds, column):
                return self.table.use(column, meaning, read_as)
        return None

    def _read(self, meaning: str, kinds: Sequence[Kind], column: Column) -> str | None:
        if not column.values:
            self.table.note(column, "is blank everywhere")
            return None
        if meaning in self.table.words.choices:
            return self.choice(meaning, column)
        if Kind.MONEY in kinds:
            return self.money(column)
        if Kind.DATE in kinds:
            return self.day(column)
        if Kind.DECIMAL in kinds:
            return self.share(column) if meaning.endswith(".probability") else self.number(column)
        if Kind.WHOLE in kinds:
            return self._whole(column)
        return self._flag(column) if Kind.FLAG in kinds else column.expression

    def style_of_dates(self, column: Column) -> DateStyle | None:
        """How the column writes dates. Asks where nothing tells day and month apart."""
        style = date_style(column.values)
        if style is None:
            if column.values:
                self.table.note(column, f"holds no dates that can be read, such as {_shown(column)}")
            return None
        if not style.is_ambiguous:
            return style
        if len(self.shared.orders) == 1:
            return style.as_order(*self.shared.orders)
        example = next(value for value in column.values if value)
        text = f"{self.table.sample.name}, column {column.name}: in {example}, which comes first, the day or the month?"
        order = self.shared.asking.ask(Question("date-order", text, (DAY_FIRST, MONTH_FIRST), self.table.sample.name))
        return style.as_order(order) if order else None

    def moment(self, column: Column) -> tuple[str, DateStyle] | None:
        """When something happened."""
        style = self.style_of_dates(column)
        return None if style is None else (f"{column.expression} | {style.filters}", style)

    def day(self, column: Column) -> str | None:
        found = self.moment(column)
        return None if found is None else found[0] + (" | day" if found[1].has_time else "")

    def _style_of_numbers(self, column: Column) -> NumberStyle | None:
        has_semicolons = self.table.sample.style.delimiter == ";"
        style = number_style(column.values, self.table.words, has_semicolons=has_semicolons)
        if style is None:
            self.table.note(column, f"holds no numbers that can be read, such as {_shown(column)}")
            return None
        if not style.is_ambiguous:
            return style
        example = next(value for value in column.values if "." in value or "," in value)
        text = (
            f"{self.table.sample.name}, column {column.name}: what is {example}? point: the decimal sign is the point."
        )
        answer = self.shared.asking.ask(Question("decimal-sign", text, ("point", "comma"), self.table.sample.name))
        return NumberStyle(answer, style.signs, style.currency, style.is_percent) if answer else None

    def number(self, column: Column, *, multiply: bool = False) -> str | None:
        """A decimal, by the multiple of its header if that is wanted."""
        style = self._style_of_numbers(column)
        if style is None:
            return None
        filters = "decimal" if style.style == "plain" else f"decimal:{style.style}"
        times = f" | times:{column.heading.multiple}" if multiply and column.heading.multiple else ""
        return f"{column.expression}{style.without} | {filters}{times}"

    def share(self, column: Column) -> str | None:
        """From 0 to 1; percent are divided."""
        style, number = self._style_of_numbers(column), self.number(column)
        if style is None or number is None:
            return None
        is_percent = style.is_percent or any(_is_beyond_one(value) for value in column.values)
        return f"{number} | times:0.01" if is_percent else number

    def money(self, column: Column) -> str | None:
        style = self._style_of_numbers(column)
        if style is None:
            return None
        currency = self._currency(column, style)
        if currency is None:
            return None
        if column.heading.multiple:
            return f"{self.number(column, multiply=True)} | money:{currency}"
        kind = "" if style.style == "plain" else f",{style.style}"
        return f"{column.expression}{style.without} | money:{currency}{kind}"

    def _currency(self, column: Column, style: NumberStyle) -> str | None:
        """A code, or the column in which it stands."""
        words, beside = self.table.words, self.table.first("currency")
        if beside is not None and beside.values:
            codes = {words.currency(label) for label in beside.labels}
            if all(label in CODES for label in beside.labels):
                return self.table.use(beside, "currency of the amounts", f"[{beside.name}]")
            if len(codes) == 1 and None not in codes:
                self.table.use(beside, "currency of the amounts", str(next(iter(codes))))
                return next(iter(codes))
            self.table.note(beside, "must hold ISO 4217 codes such as CNY")
        said = column.heading.currency or style.currency
        if said:
            return said
        text = f"In which currency are the amounts of {self.table.sample.name}? An ISO 4217 code, such as CNY."
        answer = self.shared.asking.ask(Question("currency", text, (), self.table.sample.name))
        if answer and answer not in CODES:
            self.shared.asking.open["currency"] = Question("currency", f"{answer} is no ISO 4217 code. {text}", ())
            return None
        return answer

    def choice(self, meaning: str, column: Column) -> str | None:
        """One of a closed list, through a map of the labels that are there."""
        known, labels = self.table.words.choices[meaning], column.labels
        if len(labels) > _MOST_LABELS:
            self.table.note(column, f"has more than {_MOST_LABELS} different values")
            return None
        values = tuple(dict.fromkeys(known.values()))
        found = {label: known.get(normal(label)) for label in labels}
        for label in (label for label, value in found.items() if value is None):
            found[label] = self._unknown(meaning, label, values)
        unknown = [label for label, value in found.items() if value is None]
        if unknown:
            self.table.note(column, f"holds values that are not known: {', '.join(unknown[:_SHOWN])}")
            return None
        name = meaning.replace(".", "_")
        mapped = self.shared.maps.setdefault(name, {})
        mapped.update({label: str(value) for label, value in found.items()})
        return f"{column.expression} | map:{name}"

    def _unknown(self, meaning: str, label: str, values: tuple[str, ...]) -> str | None:
        if meaning in _ASKED:
            text = f"{self.table.sample.name}: what does {label!r} stand for?"
            return self.shared.asking.ask(Question(f"{meaning}:{label}", text, values, self.table.sample.name))
        return "other" if "other" in values else None

    def _whole(self, column: Column) -> str | None:
        if all(value.isascii() and value.lstrip("-").isdecimal() for value in column.values):
            return f"{column.expression} | whole"
        self.table.note(column, f"must hold whole numbers, and has {_shown(column)}")
        return None

    def _flag(self, column: Column) -> str | None:
        truth = self.table.words.choices["truth"]
        said = {label: truth.get(normal(label)) for label in column.labels}
        yes = [label for label, value in said.items() if value == "true"]
        no = [label for label, value in said.items() if value == "false"]
        if len(yes) > 1 or len(no) > 1 or len(yes) + len(no) < len(said):
            self.table.note(column, "must hold one word for yes and one for no")
            return None
        return f"{column.expression} | flag:{quoted(next(iter(yes), 'true'))},{quoted(next(iter(no), 'false'))}"


def _is_beyond_one(value: str) -> bool:
    digits = "".join(char for char in value if char.isdecimal() or char == ".")
    return digits.count(".") <= 1 and digits not in ("", ".") and Decimal(digits) > 1


def _shown(column: Column) -> str:
    """An example; not of what may be a person."""
    return repr(column.values[0][:20])
