"""What all event data have in common: an id, an end, and fields that may be left unsaid."""

from collections.abc import Iterable, Iterator
from datetime import date
from functools import cache
from typing import Any, TypeAlias, TypeVar, cast

import msgspec
from msgspec import UNSET, UnsetType

from shared.contracts.faults import escaped
from shared.contracts.shape import Shape, shape_of
from shared.contracts.values import Date, EntityId, Money
from shared.kernel.errors import Fault

T = TypeVar("T")
Said: TypeAlias = T | UnsetType | None
"""Unsaid (absent), cleared (null) or a value."""

CURRENCY_MISMATCH = "currency-mismatch: one document has one currency"


class Part(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True, omit_defaults=True):
    """An entry of a collection. It too says only what it says, and merges field by field under its own id."""


class EntityData(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True, omit_defaults=True):
    """What one event says about one entity."""

    id: EntityId
    """The entity's own immutable id, the `subject` of the event. It never identifies a person by itself."""
    ended: bool | UnsetType = UNSET
    """true: deleted or void in the source; false: it is back."""

    def conflicts(self) -> Iterable[Fault]:
        """What is wrong between fields that are each right."""
        return ()


class ReferenceData(EntityData, kw_only=True, frozen=True):
    """What one event says about reference data, from a business date on."""

    since: Said[Date] = UNSET
    """The values hold from this business date on, inclusive; absent or null: they always held."""


class DocumentData(EntityData, kw_only=True, frozen=True):
    """A document of order to cash: all its amounts are in one currency."""

    def conflicts(self) -> Iterable[Fault]:
        """Refuses a second currency."""
        return other_currencies(self)


def other_currencies(data: msgspec.Struct) -> Iterator[Fault]:
    """A fault for each amount that is not in the currency of the first."""
    if len(_currencies(data, set())) < 2:
        return
    first: str | None = None
    for pointer, money in amounts(data):
        first = first or money.currency
        if money.currency != first:
            yield Fault(f"{pointer}/currency", CURRENCY_MISMATCH)


def amounts(value: object, pointer: str = "") -> Iterator[tuple[str, Money]]:
    """Every amount of money in a value, with its JSON pointer."""
    if isinstance(value, Money):
        yield pointer, value
    elif isinstance(value, msgspec.Struct):
        for name in _with_money(type(value)):
            yield from amounts(getattr(value, name), f"{pointer}/{name}")
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from amounts(item, f"{pointer}/{escaped(key)}")


def _currencies(value: object, found: set[str]) -> set[str]:
    """The currencies of all amounts, without saying where: hardly ever is there a second one."""
    if isinstance(value, dict):
        for item in value.values():
            _currencies(item, found)
    elif value is not UNSET and value is not None:
        kind: Any = type(value)
        if _is_money(kind):
            found.add(cast("Money", value).currency)
        else:
            for name in _with_money(kind):
                _currencies(getattr(value, name), found)
    return found


@cache
def _is_money(kind: type) -> bool:
    return issubclass(kind, Money)


@cache
def _with_money(struct: type[msgspec.Struct]) -> tuple[str, ...]:
    """The fields that may hold an amount, or something that does."""
    return tuple(name for name, shape in shape_of(struct).fields.items() if _holds_money(shape))


def _holds_money(shape: Shape) -> bool:
    if isinstance(shape.type, type) and issubclass(shape.type, Money):
        return True
    return any(map(_holds_money, (*shape.fields.values(), *([shape.entry] if shape.entry else []))))


def ends_before(start: object, end: object) -> bool:
    """Whether both dates are said and the end lies before the start."""
    return isinstance(start, date) and isinstance(end, date) and end < start
