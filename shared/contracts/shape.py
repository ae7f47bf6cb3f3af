"""The build of a contract type, read once from its annotations: its checks, its personal fields, its collections."""

import functools
import operator
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec

from shared.contracts.values import Check

Path = tuple[str, ...]
"""Field names from the root; `*` stands for every key of an object."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One type. At most one of `fields` and `entry` is set: a struct, an object with free keys, or a plain value."""

    type: Any
    nullable: bool = False
    check: Check | None = None
    personal: bool = False
    fields: Mapping[str, "Shape"] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    key: "Shape | None" = None
    entry: "Shape | None" = None
    checked: bool = False
    """Whether there is a check here or anywhere below."""
    checks: "Mapping[str, Shape]" = field(default_factory=dict)
    """The fields that have a check, or below which there is one."""
    checked_map: "tuple[Shape, Shape] | None" = None
    """Shapes of keys and entries, if there is a check below."""

    @property
    def is_struct(self) -> bool:
        return _is_struct(self.type)

    @property
    def is_collection(self) -> bool:
        """An object keyed by the ids of its entries, of which null removes one."""
        return self.entry is not None and self.entry.nullable

    def personal_paths(self, prefix: Path = ()) -> Iterator[Path]:
        """Where personal data may stand."""
        if self.personal:
            yield prefix
        for name, shape in self.fields.items():
            yield from shape.personal_paths((*prefix, name))
        if self.entry is not None:
            yield from self.entry.personal_paths((*prefix, "*"))


@functools.cache
def shape_of(annotation: Any) -> Shape:
    """Read a type as it stands in an annotation, `Said[…]` included."""
    inner, nullable = _without_none(annotation)
    meta = _meta(inner)
    bare = get_args(inner)[0] if get_origin(inner) is Annotated else inner
    return _struct(bare, nullable) if _is_struct(bare) else _other(inner, bare, nullable, meta)


def _struct(struct: type[msgspec.Struct], nullable: bool) -> Shape:  # noqa: FBT001 - private, one caller
    infos = msgspec.structs.fields(struct)
    fields = {info.encode_name: shape_of(info.type) for info in infos}
    return Shape(
        struct,
        nullable,
        fields=fields,
        required=frozenset(info.encode_name for info in infos if info.required),
        checked=any(shape.checked for shape in fields.values()),
        checks={name: one for name, one in fields.items() if one.checked},
    )


def _other(annotation: Any, bare: Any, nullable: bool, meta: Mapping[str, Any]) -> Shape:  # noqa: FBT001
    key, entry = map(shape_of, get_args(bare)) if get_origin(bare) is dict else (None, None)
    check = meta.get("check")
    below = any(shape.checked for shape in (key, entry) if shape is not None)
    return Shape(
        annotation,
        nullable,
        check=check,
        personal=bool(meta.get("personal")),
        key=key,
        entry=entry,
        checked=below or check is not None,
        checked_map=(key, entry) if key and entry and (below or check) else None,
    )


def _without_none(annotation: Any) -> tuple[Any, bool]:
    if get_origin(annotation) not in (Union, types.UnionType):
        return annotation, False
    members = get_args(annotation)
    kept = [member for member in members if member not in (types.NoneType, msgspec.UnsetType)]
    return functools.reduce(operator.or_, kept), types.NoneType in members


def _meta(annotation: Any) -> Mapping[str, Any]:
    if get_origin(annotation) is not Annotated:
        return {}
    return {key: value for meta in annotation.__metadata__ for key, value in (meta.extra or {}).items()}


def _is_struct(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, msgspec.Struct)
