"""JMESPath over JSON whose numbers are text: exact, without floats, and bounded, so that no expression runs away.

A leading `$` reads the whole body, a leading `^` the object around the present one; everything else the present one.
"""

import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final, Literal, cast

from jmespath import exceptions
from jmespath.functions import Functions, signature
from jmespath.parser import Parser
from jmespath.visitor import Options, TreeInterpreter

from services.ingest.sources.payload import decimal
from shared.contracts.strict_json import Number
from shared.kernel.errors import InvalidInputError, TooLargeError
from shared.kernel.money import EXACT, plain

LONGEST = 500
"""Characters of an expression."""
DEEPEST = 24
"""Brackets inside brackets, and steps inside steps."""
STEPS = 200_000
"""What the expressions of one delivery may do: nodes visited, entries of lists, 16 characters of text each."""
_CHARACTERS_A_STEP = 16
_LITERAL_DIGITS = 15
_BUILDING = frozenset({"multi_select_list", "multi_select_dict"})

Scope = Literal["", "$", "^"]
_MARKS: tuple[Scope, Scope] = ("$", "^")
Tree = dict[str, Any]


class ExpressionError(ValueError):
    """An expression that cannot be meant. The message is the reason."""


class _Absent:
    """Not there at all, which is not null."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = _Absent()


@dataclass(slots=True)
class Budget:
    """How much the expressions of one delivery may still do."""

    left: int = STEPS

    def spend(self, steps: int) -> None:
        """Raises TooLargeError when nothing is left."""
        self.left -= steps
        if self.left < 0:
            raise TooLargeError("The mapping's expressions do more than one delivery may cost.")


@dataclass(frozen=True, slots=True)
class Place:
    """What expressions read: the present object, the one around it, and the whole body."""

    here: object
    around: object
    body: object
    budget: Budget = field(default_factory=Budget)

    def inside(self, entry: object) -> "Place":
        """The same for an entry of a collection."""
        return Place(entry, self.here, self.body, self.budget)


@dataclass(frozen=True, slots=True)
class Expression:
    """One compiled expression."""

    text: str
    scope: Scope
    path: tuple[str, ...] | None
    """Of a plain path such as `company.id`: only that tells absent from null."""
    tree: Tree = field(repr=False)

    def value(self, place: Place) -> object:
        """What it finds; ABSENT if a plain path leads nowhere or something computed is null. Raises InvalidInputError
        for what cannot be computed, TooLargeError when the budget is spent."""
        root = {"": place.here, "$": place.body, "^": place.around}[self.scope]
        if self.path is not None:
            return _followed(self.path, root)
        try:
            found = _Interpreter(place.budget).visit(cast("Any", self.tree), root)
        except exceptions.JMESPathError as error:
            raise InvalidInputError("An expression cannot be computed from this value.") from error
        return ABSENT if found is None else found


def _followed(path: Sequence[str], root: object) -> object:
    found = root
    for name in path:
        if found is None:
            return None
        if not isinstance(found, dict) or name not in found:
            return ABSENT
        found = found[name]
    return found


def is_true(value: object) -> bool:
    """As JMESPath sees it: everything but null, false and what is empty. Absent is not true."""
    return value is not ABSENT and value is not None and value is not False and value not in ("", [], {})


# Compiling


@lru_cache(maxsize=4096)
def compiled(text: str) -> Expression:
    """Read an expression. Raises ExpressionError."""
    scope, rest = _scope(text)
    if not rest:
        return Expression(text, scope, (), {"type": "identity", "children": []})
    if len(text) > LONGEST or not text.isprintable():
        raise ExpressionError(f"is longer than {LONGEST} printable characters")
    if _nesting(rest) > DEEPEST:
        raise ExpressionError("nests too deeply")
    with _ours():
        tree = cast("Tree", Parser().parse(rest).parsed)
    _check(tree)
    return Expression(text, scope, _path(tree), _exact(tree))


def _scope(text: str) -> tuple[Scope, str]:
    stripped = text.strip()
    for mark in _MARKS:
        if stripped.startswith(mark):
            rest = stripped.removeprefix(mark)
            if rest and rest[0] not in ".[":
                raise ExpressionError(f"needs a full stop or a bracket after {mark}")
            return mark, rest.removeprefix(".")
    if not stripped:
        raise ExpressionError("is empty")
    return "", "" if stripped == "@" else stripped


@contextmanager
def _ours() -> Iterator[None]:
    """What the library raises or warns of, as an ExpressionError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            yield
    except (exceptions.JMESPathError, ValueError, PendingDeprecationWarning, RecursionError) as error:
        position = getattr(error, "lex_position", None)
        where = "" if position is None else f" at character {position + 1}"
        raise ExpressionError(f"is no JMESPath{where}") from error


def _nesting(text: str) -> int:
    deepest = depth = 0
    for char in text:
        depth += (char in "([{") - (char in ")]}")
        deepest = max(deepest, depth)
    return deepest


def _check(tree: Tree) -> None:
    for depth, node in walked(tree):
        if depth > DEEPEST:
            raise ExpressionError("nests too deeply")
        if node["type"] == "function_expression" and node["value"] not in _KNOWN:
            raise ExpressionError(f"calls {node['value']}(), which is none of {', '.join(sorted(_KNOWN))}")
        if node["type"] == "slice" and 0 in node["children"][2:]:
            raise ExpressionError("has a slice with a step of zero")


def walked(tree: Tree, depth: int = 1) -> Iterator[tuple[int, Tree]]:
    """Every node of an expression and how deep it stands."""
    yield depth, tree
    for child in tree.get("children", ()):
        if isinstance(child, dict) and depth <= DEEPEST:
            yield from walked(child, depth + 1)


def builds(expression: Expression) -> bool:
    """Whether it makes new objects or lists, rather than only choosing some of what is there."""
    return any(node["type"] in _BUILDING for _, node in walked(expression.tree))


def _path(tree: Tree) -> tuple[str, ...] | None:
    nodes = tree["children"] if tree["type"] == "subexpression" else [tree]
    return tuple(node["value"] for node in nodes) if all(node["type"] == "field" for node in nodes) else None


def _exact(tree: Tree) -> Tree:
    """The same with numbers of literals as text, like those of the body."""
    if tree["type"] == "literal":
        return {**tree, "value": _as_text(tree["value"])}
    children = [_exact(child) if isinstance(child, dict) else child for child in tree.get("children", ())]
    return {**tree, "children": children}


def _as_text(value: object) -> object:
    if isinstance(value, float) and (
        not math.isfinite(value) or len(Decimal(repr(value)).as_tuple()[1]) > _LITERAL_DIGITS
    ):
        raise ExpressionError(f"has a number of more than {_LITERAL_DIGITS} digits")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Number(repr(value))
    if isinstance(value, list):
        return [_as_text(item) for item in value]
    return {key: _as_text(item) for key, item in value.items()} if isinstance(value, dict) else value


# Computing


class _Functions(Functions):
    """The functions that are exact and bounded. A number is text of its own kind (`Number`)."""

    def _get_allowed_pytypes(self, types: Sequence[str]) -> tuple[list[str], list[tuple[str, ...]]]:
        parent: Any = super()
        allowed, inner = parent._get_allowed_pytypes(types)  # noqa: SLF001 - the one place that says what a type is
        if "number" in types:
            allowed.append("Number")
        return allowed, [(*names, "Number") if {"int", "str"}.intersection(names) else names for names in inner]

    @signature({"types": ["number"]})
    def _func_abs(self, value: object) -> object:
        return _number(abs(_decimal(value)))

    @signature({"types": ["array-number"]})
    def _func_sum(self, values: Sequence[object]) -> object:
        total = Decimal(0)
        for value in values:
            total = EXACT.add(total, _decimal(value))
        return _number(total)

    @signature({"types": ["string", "array", "object"]})
    def _func_length(self, value: Sequence[object]) -> object:
        return Number(len(value))

    @signature({"types": []})
    def _func_to_string(self, value: object) -> object:
        if isinstance(value, bool):
            return "true" if value else "false"
        return str(value) if isinstance(value, str) else None

    @signature({"types": []})
    def _func_to_number(self, value: object) -> object:
        try:
            found = decimal(value)
        except InvalidInputError:
            return None
        return None if found is None else _number(found)

    @signature({"types": ["array", "string"]}, {"types": []})
    def _func_contains(self, subject: object, sought: object) -> object:
        if isinstance(subject, str):
            return isinstance(sought, str) and sought in subject
        return isinstance(subject, list) and any(_equal(one, sought) for one in subject)


_KNOWN: Final = frozenset(
    {"abs", "contains", "ends_with", "join", "keys", "length", "map", "not_null", "reverse", "starts_with", "sum"}
    | {"to_array", "to_number", "to_string", "values"}
)
_FUNCTIONS = _Functions()


class _Interpreter(TreeInterpreter):
    """Counts what it does, and compares numbers by value."""

    def __init__(self, budget: Budget) -> None:
        super().__init__(Options(custom_functions=_FUNCTIONS))
        self._budget = budget

    def visit(self, node: Any, *args: Any, **kwargs: Any) -> Any:
        found = super().visit(node, *args, **kwargs)
        size = len(found) if isinstance(found, list) else 0
        self._budget.spend(1 + (len(found) // _CHARACTERS_A_STEP if isinstance(found, str) else size))
        return found

    def visit_comparator(self, node: Any, value: Any) -> Any:
        left, right = (self.visit(child, value) for child in node["children"])
        if node["value"] in ("eq", "ne"):
            return _equal(left, right) is (node["value"] == "eq")
        if isinstance(left, Number) and isinstance(right, Number):
            left, right = _decimal(left), _decimal(right)
        elif not _is_text(left) or not _is_text(right):
            return None
        return self.COMPARATOR_FUNC[node["value"]](left, right)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and not isinstance(value, Number)


def _equal(left: object, right: object) -> bool:
    """Numbers by value, texts by their letters; objects and lists are equal only if both are empty."""
    if isinstance(left, dict | list) or isinstance(right, dict | list):
        return type(left) is type(right) and not left and not right
    if isinstance(left, Number) and isinstance(right, Number):
        return _decimal(left) == _decimal(right)
    return type(left) is type(right) and left == right


def _decimal(value: object) -> Decimal:
    found = decimal(value)
    if found is None:
        raise InvalidInputError("A number is missing.")
    return found


def _number(value: Decimal) -> Number:
    return Number(plain(value))
