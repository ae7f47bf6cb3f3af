"""The canonical form of an event: equal statements have equal bytes, and personal data stand apart.

Keys are sorted, there is no blank, instants are UTC. A decimal is written out in full, without exponent, plus sign or
zeros at its end after the point: numbers that are equal have equal text, and 100 stays 100.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Any

import msgspec

from shared.contracts.shape import Path, shape_of
from shared.contracts.values import write_instant
from shared.kernel.money import plain

_WRITTEN_HERE = (Decimal, datetime)
_encode = msgspec.json.Encoder(order="sorted").encode
_decode = msgspec.json.Decoder(dict[str, object]).decode


@dataclass(slots=True)
class Statement:
    """One canonical public event, read for a journal. Never changed; not frozen, for that makes it slow to make."""

    id: str
    said: Mapping[str, object]
    """Plain values of the said fields: text, whole numbers, truth values, None for cleared, objects."""
    ended: bool | None
    since: date | None


def canonical(struct: msgspec.Struct) -> tuple[bytes, bytes | None]:
    """The public JSON, and apart from it the personal fields in the same nesting; None if it says none."""
    public = msgspec.to_builtins(struct, builtin_types=_WRITTEN_HERE)
    _write_out(public)
    return encoded(public, move_personal(public, personal_paths(type(struct))))


def encoded(public: dict[str, Any], personal: dict[str, Any]) -> tuple[bytes, bytes | None]:
    """Both as JSON, once all values are written as they should be."""
    return _encode(public), _encode(personal) if personal else None


def move_personal(public: dict[str, Any], paths: Sequence[Path]) -> dict[str, Any]:
    """Take what stands there out of the public members."""
    personal: dict[str, Any] = {}
    for path in paths:
        _move(public, personal, path)
    return personal


@cache
def personal_paths(struct: type[msgspec.Struct]) -> Sequence[Path]:
    """Where a struct may hold personal data."""
    return tuple(shape_of(struct).personal_paths())


def statement(public_json: bytes) -> Statement:
    """Read canonical public JSON."""
    return statement_of(_decode(public_json))


def statement_of(fields: dict[str, object]) -> Statement:
    """The same from what is parsed already, which it keeps."""
    entity_id, ended, since = fields.pop("id"), fields.pop("ended", None), fields.pop("since", None)
    return Statement(
        id=str(entity_id),
        said=fields,
        ended=ended if isinstance(ended, bool) else None,
        since=date.fromisoformat(since) if isinstance(since, str) else None,
    )


def said(public_json: bytes) -> dict[str, object]:
    """Plain values of the said fields, without id, ended and since."""
    return dict(statement(public_json).said)


def _write_out(members: dict[str, Any]) -> None:
    """Decimals and instants as text, in place."""
    for key, item in members.items():
        kind = type(item)
        if kind is dict:
            _write_out(item)
        elif kind is Decimal:
            members[key] = plain(item)
        elif kind is datetime:
            members[key] = write_instant(item)


def _move(source: dict[str, Any], target: dict[str, Any], path: Path) -> None:
    head, *rest = path
    for key in list(source) if head == "*" else [head]:
        if key not in source:
            continue
        if not rest:
            target[key] = source.pop(key)
        elif isinstance(source[key], dict):
            inner: dict[str, Any] = target.get(key, {})
            _move(source[key], inner, tuple(rest))
            if inner:
                target[key] = inner
