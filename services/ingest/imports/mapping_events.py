"""The event templates of a mapping file, checked against the contracts: entities, fields, kinds of values."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from services.ingest.imports.expressions import Expression, parse
from services.ingest.imports.filters import CLEAR, Known, kind_of
from services.ingest.imports.mapping import Branch, Doubt, Entries, Leaf, Node, Template
from services.ingest.imports.values import Kind
from services.ingest.imports.yaml_tree import Place, read_all, read_members, read_name
from shared.contracts.entities import ENTITIES, Entity
from shared.contracts.shape import Shape
from shared.contracts.values import Money, PositiveMoney

_KINDS: Mapping[type, Kind] = {
    str: Kind.TEXT,
    int: Kind.WHOLE,
    bool: Kind.FLAG,
    date: Kind.DATE,
    datetime: Kind.INSTANT,
    Decimal: Kind.DECIMAL,
    Money: Kind.MONEY,
    PositiveMoney: Kind.MONEY,
}
_TEXTS = (Kind.TEXT,)
_ABOUT = {"since": (Kind.DATE,), "ended": (Kind.FLAG,)}
_SOME = tuple(kind for kind in Kind if kind is not Kind.NULL)
_TIMES = (Kind.DATE, Kind.INSTANT)


@dataclass(frozen=True, slots=True)
class Room:
    """Where expressions stand: the names that they may use, and those of the rows of each detail."""

    known: Known
    details: Mapping[str, Known]


def read_template(place: Place, room: Room) -> Template:
    """One event template. Raises InvalidMappingError."""
    members = place.section(
        required=("entity", "id", "occurred_at"),
        optional=("part", "when", "since", "ended", "fields", "distinct"),
    )
    entity = _entity(members["entity"])
    if "since" in members and not entity.reference:
        raise members["since"].fault("is for reference data: this entity has no since")
    part = f"{entity.slug}-{read_name(members['part'])}" if "part" in members else entity.slug
    fields = _members(members["fields"], entity.shape.fields, room).members if "fields" in members else {}
    about = {name: _leaf(members[name], room.known, kinds) for name, kinds in _ABOUT.items() if name in members}
    return Template(
        entity=entity.slug,
        part=part,
        id=read_expression(members["id"], room.known, _TEXTS),
        occurred_at=read_expression(members["occurred_at"], room.known, _TIMES),
        when=read_conditions(members.get("when"), room.known),
        fields=Branch({**fields, **about}),
        distinct="distinct" in members and members["distinct"].truth(),
    )


def read_doubt(place: Place, room: Room) -> Doubt:
    """One declared warning."""
    members = place.section(required=("when", "says"))
    return Doubt(read_conditions(members["when"], room.known), members["says"].text())


def read_conditions(place: Place | None, known: Known) -> tuple[Expression, ...]:
    """One condition or a list of them: true or false, or any value, of which a blank counts as false."""
    if place is None:
        return ()
    return tuple(read_all(place.one_or_more(), lambda one: read_expression(one, known, _SOME)))


def read_expression(place: Place, known: Known, kinds: Iterable[Kind]) -> Expression:
    """An expression that gives one of the kinds, and is no field. Raises InvalidMappingError."""
    expression = _leaf(place, known, kinds).expression
    if any(step.name == CLEAR for step in expression.steps):
        raise place.fault(f"{CLEAR} is for fields: here there is nothing to clear")
    return expression


def _leaf(place: Place, known: Known, kinds: Iterable[Kind]) -> Leaf:
    try:
        expression = parse(place.text())
        kind = kind_of(expression, known)
    except ValueError as error:
        raise place.fault(str(error)) from None
    if kind not in kinds:
        raise place.fault(f"must give {' or '.join(kinds)}, not {kind}")
    return Leaf(expression, kind)


def _entity(place: Place) -> Entity:
    entity = ENTITIES.get(place.text())
    if entity is None:
        raise place.fault(f"must be one of {', '.join(ENTITIES)}")
    return entity


def _members(place: Place, fields: Mapping[str, Shape], room: Room) -> Branch:
    own = {name: shape for name, shape in fields.items() if name not in ("id", "ended", "since")}
    return Branch(read_members(place.section(optional=own), lambda name, member: _node(member, own[name], room)))


def _node(place: Place, shape: Shape, room: Room) -> Node:
    if place.is_text:
        return _leaf(place, room.known, kinds_of(shape))
    entry = shape.entry
    if entry is None:
        raise place.fault("must be a single value")
    members = place.members()
    if members.keys() >= {"id", "fields"}:
        return _entries(place, entry, room)
    return Branch(read_members(members, lambda _id, member: _entry(member, entry, room)))


def _entry(place: Place, shape: Shape, room: Room) -> Node:
    """An entry under an id that the mapping names."""
    if place.is_text or not shape.is_struct:
        return _leaf(place, room.known, kinds_of(shape))
    return _members(place, shape.fields, room)


def _entries(place: Place, entry: Shape, room: Room) -> Entries:
    members = place.section(required=("id", "fields"), optional=("each", "by"))
    if ("each" in members) != ("by" in members):
        raise place.fault("needs both: each names the details, by gives the key of the present row")
    if not entry.is_struct:
        raise place.fault("has entries without fields: name them one by one")
    details = _details(members["each"], room) if "each" in members else None
    inner = room if details is None else Room(room.details[details], {})
    return Entries(
        read_expression(members["id"], inner.known, _TEXTS),
        _members(members["fields"], entry.fields, inner),
        details,
        read_expression(members["by"], room.known, _TEXTS) if "by" in members else None,
    )


def _details(place: Place, room: Room) -> str:
    if place.text() not in room.details:
        raise place.fault(f"must be declared under details; there are {', '.join(room.details) or 'none'}")
    return place.text()


def kinds_of(shape: Shape) -> list[Kind]:
    """The kinds of value that fit a field."""
    kinds = [kind for type_, kind in _KINDS.items() if type_ in _types(shape.type)]
    return [*kinds, Kind.NULL] if shape.nullable else kinds


def _types(annotation: Any) -> set[Any]:
    """The plain types of an annotation: without limits, a union as its members, a choice of texts as text."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _types(get_args(annotation)[0])
    if origin is Literal:
        return {str}
    members = get_args(annotation) if origin in (Union, UnionType) else ()
    return set().union(*map(_types, members)) if members else {annotation}
