"""Canonical data straight from parsed members, in the one pass in which they are checked: what ingest does most often.

For data whose types were found right. Whatever is not beyond doubt is left to `canonical`, which is the rule.
"""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import cache, lru_cache
from types import MappingProxyType
from typing import Annotated, Any, Literal, get_args, get_origin

from shared.contracts.canonical import move_personal
from shared.contracts.shape import Path, Shape
from shared.contracts.values import Check, read_instant, write_instant
from shared.kernel.money import plain

Rule = Callable[[Any], Any]
"""A value as it stands in canonical data. Raises DoubtfulError."""
Written = tuple[dict[str, Any], dict[str, Any]]
"""Public and personal members."""

_remembered = lru_cache(maxsize=16_384, typed=True)
"""As in `values`: the same ids and amounts come again and again."""


class DoubtfulError(ValueError):
    """Wrong, or to be written in a way that only the rule knows."""


def writer_of(shape: Shape, personal: tuple[Path, ...]) -> Callable[[dict[str, Any]], Written]:
    """How data of an entity are checked and written; the members that it is given stay as they are."""
    own = shape.fields["id"]
    # Of nothing else is there a new one with every event: it is not worth remembering.
    rule = _members_rule(shape, {"id": _then(own.check, str)})

    def write(members: dict[str, Any]) -> Written:
        public: dict[str, Any] = rule(members)
        return public, move_personal(public, personal) if personal else {}

    return write


def _rule_of(shape: Shape) -> Rule | None:
    """None: any value of the right type stands as it came."""
    if shape.is_struct:
        return _members_rule(shape) if any(map(_is_touched, shape.fields.values())) else None
    if shape.key is not None and shape.entry is not None:
        return _entries_rule(shape.key, shape.entry)
    return _value_rule(_bare(shape.type), shape.check)


def _is_touched(shape: Shape) -> bool:
    return shape.personal or _rule_of(shape) is not None


def _members_rule(shape: Shape, given: Mapping[str, Rule] = MappingProxyType({})) -> Rule:
    rules = {name: rule for name, one in shape.fields.items() if (rule := _rule_of(one))}
    rules.update(given)
    rule_of = rules.get

    def write(members: dict[str, Any]) -> dict[str, Any]:
        written = members.copy()
        for name, item in members.items():
            if item is not None and (rule := rule_of(name)) is not None:
                written[name] = rule(item)
        return written

    return write


def _entries_rule(key: Shape, entry: Shape) -> Rule:
    key_rule, entry_rule = _rule_of(key), _rule_of(entry)

    def write(entries: dict[str, Any]) -> dict[str, Any]:
        written = entries.copy()
        for name, item in entries.items():
            if key_rule is not None:
                key_rule(name)
            if entry_rule is not None and item is not None:
                written[name] = entry_rule(item)
        return written

    return write


def _bare(annotation: Any) -> Any:
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


@cache
def _value_rule(kind: Any, check: Check | None) -> Rule | None:
    """One for all fields of a kind: what it remembers, it remembers for all of them."""
    if kind is Decimal:
        return _remembered(_then(check, lambda text: plain(Decimal(text))))
    if kind is datetime:
        return _remembered(_then(check, lambda text: write_instant(read_instant(text))))
    if kind in (str, date):
        return None if check is None else _remembered(_then(check, lambda text: text))
    is_text = get_origin(kind) is Literal and all(isinstance(one, str) for one in get_args(kind))
    return None if kind is bool or is_text else _whole


def _then(check: Check | None, write: Callable[[str], str]) -> Rule:
    # What a check remembers is remembered here: to ask both would cost twice.
    reason = None if check is None else getattr(check, "__wrapped__", check)

    def checked(value: object) -> str:
        if not isinstance(value, str) or (reason is not None and reason(value)):
            raise DoubtfulError
        return write(value)

    return checked


def _whole(value: object) -> object:
    """A whole number may be written with a point or an exponent, which canonical data never have."""
    if type(value) not in _STANDING:
        raise DoubtfulError
    return value


_STANDING = frozenset({int, bool, str})
