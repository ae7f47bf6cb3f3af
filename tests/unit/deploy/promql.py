"""Reads PromQL as far as a check against the closed list of metrics needs: which series a query asks for, and by what.

It is no parser: brackets must match and names must be known, everything else is left to promtool.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from shared.telemetry.metric_names import METRICS, PROCESS_METRICS, Metric

_TOKEN = re.compile(
    r"""(?P<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|(?P<variable>\$\w+|\$\{\w+\})"""
    r"""|(?P<name>[A-Za-z_:][\w:]*)|(?P<number>\d[\w.]*)|(?P<sign>=~|!~|!=|==|>=|<=|[^\s\w])"""
)
_OPERATORS = frozenset({"and", "or", "unless", "bool", "offset", "inf", "nan"})
_LABELLED = frozenset({"by", "without", "on", "ignoring", "group_left", "group_right"})
_AGGREGATIONS = frozenset({"sum", "min", "max", "avg", "count", "topk", "bottomk", "quantile", "stddev", "group"})
_TARGET = frozenset({"job", "instance", "service", "role"})
_CLOSING = {")": "(", "]": "[", "}": "{"}
_PARTS = ("_bucket", "_sum", "_count")


@dataclass(frozen=True, slots=True)
class Matcher:
    """`label op "value"` within braces."""

    label: str
    operator: str
    value: str


@dataclass(frozen=True, slots=True)
class Selector:
    """One series that a query asks for."""

    metric: str
    matchers: tuple[Matcher, ...]


@dataclass(frozen=True, slots=True)
class Query:
    """What a query names."""

    selectors: tuple[Selector, ...]
    labels: frozenset[str]
    """In `by`, `on` and the like."""


def read(query: str) -> Query:
    """ValueError if its brackets do not match."""
    tokens = [(kind, match.group()) for match in _TOKEN.finditer(query) if (kind := match.lastgroup)]
    _balanced(tokens, query)
    selectors: list[Selector] = []
    labels: set[str] = set()
    at = 0
    while at < len(tokens):
        kind, text = tokens[at]
        at += 1
        if kind != "name" or text in _OPERATORS or (text in _AGGREGATIONS and text not in _LABELLED):
            continue
        if text in _LABELLED:
            end = _end(tokens, at) if _is(tokens, at, "(") else at
            labels |= {name for kind, name in tokens[at:end] if kind == "name"}
            at = end
        elif _is(tokens, at, "("):
            continue
        else:
            end = _end(tokens, at) if _is(tokens, at, "{") else at
            selectors.append(Selector(text, _matchers(tokens[at:end])))
            at = end
    return Query(tuple(selectors), frozenset(labels))


def _balanced(tokens: Sequence[tuple[str, str]], query: str) -> None:
    open_brackets: list[str] = []
    for kind, text in tokens:
        if kind == "sign" and text in _CLOSING.values():
            open_brackets.append(text)
        elif kind == "sign" and text in _CLOSING and (not open_brackets or open_brackets.pop() != _CLOSING[text]):
            raise ValueError(f"brackets do not match in {query}")
    if open_brackets:
        raise ValueError(f"a bracket is not closed in {query}")


def _is(tokens: Sequence[tuple[str, str]], at: int, sign: str) -> bool:
    return at < len(tokens) and tokens[at] == ("sign", sign)


def _end(tokens: Sequence[tuple[str, str]], at: int) -> int:
    """After the bracket that closes the one at `at`; none is nested in these."""
    closing = {"(": ")", "{": "}"}[tokens[at][1]]
    return next(i for i in range(at, len(tokens)) if tokens[i] == ("sign", closing)) + 1


def _matchers(tokens: Sequence[tuple[str, str]]) -> tuple[Matcher, ...]:
    return tuple(
        Matcher(label, operator, value[1:-1])
        for (kind, label), (_, operator), (_, value) in zip(tokens, tokens[1:], tokens[2:], strict=False)
        if kind == "name"
    )


def problems(query: str, recorded: Mapping[str, Collection[str]]) -> Iterator[str]:
    """What a query names that no process exports. `recorded`: the labels of each recorded series."""
    try:
        asked = read(query)
    except ValueError as error:
        yield str(error)
        return
    known = _TARGET | {"le"} | {label for metric in METRICS for label in metric.labels}
    yield from (f"no metric has the label {label}: {query}" for label in sorted(asked.labels - known))
    for selector in asked.selectors:
        yield from _selector_problems(selector, recorded)


def _selector_problems(selector: Selector, recorded: Mapping[str, Collection[str]]) -> Iterator[str]:
    name = selector.metric
    metric = _declared(name)
    if metric is not None:
        labels = {*metric.labels, *_TARGET, *(("le",) if name.endswith("_bucket") else ())}
    elif name in PROCESS_METRICS or name == "up":
        labels = set(_TARGET)
    elif name in recorded:
        labels = set(recorded[name])
    else:
        yield f"no process exports {name}"
        return
    for matcher in selector.matchers:
        if matcher.label not in labels:
            yield f"{name} has no label {matcher.label}"
        elif metric is not None and (closed := metric.labels.get(matcher.label)):
            values = matcher.value.split("|") if matcher.operator in ("=~", "!~") else [matcher.value]
            yield from (
                f"{name}: {matcher.label} is never {value}"
                for value in values
                if value not in closed and not value.startswith("$")
            )


def _declared(name: str) -> Metric | None:
    for metric in METRICS:
        exported = {f"{metric.name}{part}" for part in _PARTS} if metric.kind == "histogram" else {metric.name}
        if name in exported:
            return metric
    return None
