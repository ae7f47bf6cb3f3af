"""How numbers are written: money with its currency, decimals as text, counts as whole numbers. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from services.metrics.domain.figures import Figure, divided, plus
from services.metrics.domain.inquiry import Inquiry, View
from services.metrics.domain.kpis.declaration import Kpi, Measure, Part, Quotient, Unit
from services.metrics.domain.spans import Span
from services.metrics.queries.answers import Row
from shared.kernel.ledger import Number
from shared.kernel.money import plain

_MONEY = frozenset({Unit.MONEY, Unit.MONEY_PER_DAY})
_CHANGE_DIGITS = 10


def decimal_text(number: Decimal) -> str:
    """All digits, none that say nothing."""
    return plain(number)


def amount_text(number: Number) -> str:
    """At least two decimal places, as money is written."""
    text = plain(Decimal(number))
    whole, _, fraction = text.partition(".")
    return f"{whole}.{fraction:0<2}"


def tell(number: Number | None, *, money: bool, currency: str | None) -> Any:
    """One number in JSON."""
    if number is None:
        return None
    if money:
        return {"amount": amount_text(number), "currency": currency}
    return decimal_text(number) if isinstance(number, Decimal) else number


def is_money(part: Part) -> bool:
    """Whether a part is a sum of money."""
    return bool(part.measures & {Measure.VALUE, Measure.COST})


def kpi_body(kpi: Kpi, default_basis: str) -> dict[str, Any]:
    """A KPI as the catalogue tells it."""
    body: dict[str, Any] = {
        "slug": kpi.slug,
        "title": {"en": kpi.title.en, "zh-CN": kpi.title.zh},
        "unit": kpi.unit,
        "kind": kpi.kind,
        "better": kpi.better,
        "formula": kpi.words,
        "null_rule": kpi.null_rule,
        "revision": kpi.revision,
        "digits": kpi.digits or None,
        "inputs": inputs(kpi),
        "dimensions": list(kpi.dimensions),
        "always_by": list(kpi.sliced_by),
        "parameters": {},
    }
    if kpi.bases:
        default = default_basis if kpi.basis_setting else kpi.bases[0]
        body["parameters"]["basis"] = {"choices": list(kpi.bases), "default": default}
    if kpi.in_money:
        views = [View.BASE] if kpi.base_currency_only else list(View)
        body["parameters"]["currency-view"] = {"choices": views, "default": View.BASE}
    if kpi.has_window:
        body["parameters"]["window"] = {"default": None}
    return body


def inputs(kpi: Kpi) -> list[str]:
    """The facts that it is summed from, as `<ledger>.<fact>`."""
    facts = [
        f"{part.ledger.name.removesuffix('_postings')}.{fact}"
        for formula in kpi.formulas.values()
        for part in formula.parts
        for fact in part.facts
    ]
    return list(dict.fromkeys(facts))


def answer_body(inquiry: Inquiry, base_currency: str, rows: Sequence[Row]) -> dict[str, Any]:
    """The whole answer but its freshness."""
    kpi, asked = inquiry.kpi, inquiry.asked
    return {
        "kpi": kpi.slug,
        "title": {"en": kpi.title.en, "zh-CN": kpi.title.zh},
        "unit": kpi.unit,
        "kind": kpi.kind,
        "better": kpi.better,
        "revision": kpi.revision,
        **said(inquiry, base_currency),
        "by": list(inquiry.by),
        "grain": asked.grain,
        "rows": [row_body(inquiry, base_currency, row) for row in rows],
    }


def said(inquiry: Inquiry, base_currency: str) -> dict[str, Any]:
    """The parameters that the number depends on, defaults included where they apply."""
    asked = inquiry.asked
    body: dict[str, Any] = {"related": asked.related}
    if inquiry.kpi.in_money:
        body |= {"currency_view": asked.view, "currency": _currency(inquiry, base_currency, None)}
    if inquiry.basis:
        body["basis"] = inquiry.basis
    if inquiry.kpi.has_window:
        body["window"] = None if asked.window is None else f"P{asked.window}D"
    if asked.known_at is not None:
        body["known_at"] = asked.known_at
    return body


def row_body(inquiry: Inquiry, base_currency: str, row: Row) -> dict[str, Any]:
    """One row."""
    currency = _currency(inquiry, base_currency, row)
    body = {
        "period": period_body(row.span),
        **dict(zip(inquiry.by, row.group, strict=True)),
        **figure_body(inquiry, row.figure, currency),
    }
    if row.beside is not None:
        span, other = row.beside
        body["compared"] = {"period": period_body(span), **figure_body(inquiry, other, currency)}
        body |= _change(inquiry.kpi, row.figure.value, other.value, currency)
    return body


def period_body(span: Span) -> dict[str, Any]:
    """Both days inclusive; null is open."""
    return {"start": span.start, "end": span.end, "name": span.name}


def figure_body(inquiry: Inquiry, figure: Figure, currency: str | None) -> dict[str, Any]:
    """The value and everything that makes it checkable."""
    kpi = inquiry.kpi
    body: dict[str, Any] = {"value": tell(figure.value, money=kpi.unit in _MONEY, currency=currency)}
    body |= _ratio(inquiry, figure, currency)
    body |= {name: tell(number, money=False, currency=None) for name, number in figure.statistics.items()}
    if "customers" in figure.parts:
        body["customers"] = figure.parts["customers"]
    if kpi.unit is Unit.UNITS:
        body["unit_of_measure"] = figure.unit
    money_beside = {one.part.name: is_money(one.part) for one in kpi.beside}
    for name, number in figure.beside.items():
        key = name.replace("-", "_")
        body[key] = tell(number, money=money_beside.get(name, True), currency=currency)
    return body | dict(figure.counts)


def _ratio(inquiry: Inquiry, figure: Figure, currency: str | None) -> dict[str, Any]:
    formula = inquiry.formula
    if not isinstance(formula, Quotient):
        return {}
    told = {part.name: tell(figure.parts[part.name], money=is_money(part), currency=currency) for part in formula.parts}
    if len(formula.numerator) == len(formula.denominator) == 1:
        return {"numerator": told[formula.numerator[0].name], "denominator": told[formula.denominator[0].name]}
    return {"numerator": {p.name: told[p.name] for p in formula.numerator},
            "denominator": {p.name: told[p.name] for p in formula.denominator}}  # fmt: skip


def _change(kpi: Kpi, value: Number | None, other: Number | None, currency: str | None) -> dict[str, Any]:
    if value is None or other is None:
        return {"change": None, "change_ratio": None}
    change = plus(value, Decimal(other).copy_negate() if isinstance(other, Decimal) else -other)
    ratio = divided(change, other.copy_abs() if isinstance(other, Decimal) else abs(other), _CHANGE_DIGITS)
    return {
        "change": tell(change, money=kpi.unit in _MONEY, currency=currency),
        "change_ratio": tell(ratio, money=False, currency=None),
    }


def _currency(inquiry: Inquiry, base_currency: str, row: Row | None) -> str | None:
    """Of the answer, or of one row where rows differ."""
    if inquiry.asked.view is not View.ORIGINAL:
        return base_currency
    if "currency" in inquiry.by:
        found = row.group[inquiry.by.index("currency")] if row else None
        return None if found is None else str(found)
    return inquiry.currency


def table(body: Mapping[str, Any]) -> tuple[list[str], list[list[object]]]:
    """The rows of an answer as a table: nested objects become columns of their own."""
    flat = [dict(_flat(row)) for row in body["rows"]]
    columns = list(dict.fromkeys(name for row in flat for name in row)) or ["period_start", "period_end", "value"]
    return columns, [[row.get(name) for name in columns] for row in flat]


def _flat(row: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, value in row.items():
        key = f"{prefix}{name}".replace("-", "_")
        if isinstance(value, Mapping):
            yield from _flat(value, f"{key}_")
        else:
            yield key, value.isoformat() if isinstance(value, date) else value
