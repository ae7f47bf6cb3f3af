"""The closed registry of entities, and how the data of an event are read and made canonical."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from types import MappingProxyType
from typing import Any

import msgspec

from shared.contracts.canonical import Statement, canonical, encoded, personal_paths, said, statement, statement_of
from shared.contracts.events.cash import Payment
from shared.contracts.events.data import CURRENCY_MISMATCH, EntityData, ReferenceData
from shared.contracts.events.external import ExternalSeries
from shared.contracts.events.orders import CreditNote, Invoice, Order, Return, Shipment
from shared.contracts.events.reference import (
    Alias,
    Channel,
    Customer,
    ExchangeRate,
    Member,
    OrganisationUnit,
    Product,
    StageMap,
    Target,
)
from shared.contracts.events.sales import Activity, Deal, Feedback, Lead
from shared.contracts.faults import check_values, explain
from shared.contracts.regular import DoubtfulError, Written, writer_of
from shared.contracts.shape import Path, Shape, shape_of
from shared.contracts.strict_json import check_depth, parse, refuse_unstorable, regular_object
from shared.kernel.errors import CurrencyMismatchError, Fault, InvalidInputError, MalformedError

__all__ = [
    "ENTITIES",
    "Entity",
    "Statement",
    "canonical",
    "canonical_data",
    "checked_statement",
    "decode_canonical",
    "decode_data",
    "entity_of",
    "event_type",
    "is_event_type",
    "said",
    "statement",
]

MAX_FAULTS = 50
"""How many faults of one event are told."""

_BEFORE, _AFTER = "io.quintant.", ".changed.v1"


@dataclass(frozen=True, slots=True)
class Entity:
    """One kind of thing that events are about."""

    slug: str
    struct: type[EntityData]
    reference: bool
    """Dated, and written to every partition."""
    collections: frozenset[str]
    """The fields that are objects keyed by the ids of their entries."""
    personal: Sequence[Path]
    """Where personal data stand: field names, `*` for every key."""
    shape: Shape = field(repr=False)
    decoder: "msgspec.json.Decoder[Any]" = field(repr=False)
    write: Callable[[dict[str, Any]], Written] = field(repr=False)


def _entity(slug: str, struct: type[EntityData]) -> Entity:
    shape, personal = shape_of(struct), tuple(personal_paths(struct))
    return Entity(
        slug,
        struct,
        issubclass(struct, ReferenceData),
        frozenset(name for name, inner in shape.fields.items() if inner.is_collection),
        personal,
        shape,
        msgspec.json.Decoder(struct),
        writer_of(shape, personal),
    )


_STRUCTS: Mapping[str, type[EntityData]] = {
    "lead": Lead,
    "deal": Deal,
    "activity": Activity,
    "feedback": Feedback,
    "order": Order,
    "shipment": Shipment,
    "return": Return,
    "invoice": Invoice,
    "credit-note": CreditNote,
    "payment": Payment,
    "external-series": ExternalSeries,
    "customer": Customer,
    "product": Product,
    "organisation-unit": OrganisationUnit,
    "member": Member,
    "channel": Channel,
    "exchange-rate": ExchangeRate,
    "target": Target,
    "stage-map": StageMap,
    "alias": Alias,
}

ENTITIES: Mapping[str, Entity] = MappingProxyType({slug: _entity(slug, struct) for slug, struct in _STRUCTS.items()})


def event_type(slug: str) -> str:
    """The CloudEvents type of an entity's events."""
    return f"{_BEFORE}{slug}{_AFTER}"


def entity_of(type_: str) -> Entity:
    """The entity that a CloudEvents type is about. Raises InvalidInputError."""
    entity = _BY_TYPE.get(type_)
    if entity is None:
        raise InvalidInputError("Unknown event type.", faults=[Fault("/type", _TYPE_REASON)])
    return entity


def is_event_type(type_: str) -> bool:
    """Whether there is an entity that it is about."""
    return type_ in _BY_TYPE


_BY_TYPE = {event_type(slug): entity for slug, entity in ENTITIES.items()}
_TYPE_REASON = f"must be {_BEFORE}<entity>{_AFTER} with one of the entities " + ", ".join(ENTITIES)


def decode_data(entity: Entity, data: bytes) -> EntityData:
    """Read data as they arrive from outside. Raises InvalidInputError (CurrencyMismatchError) with a fault for each
    thing wrong at its JSON pointer, MalformedError for what is no JSON, TooLargeError for too deep nesting.
    """
    members = regular_object(data)
    flawless = None if members is None else _flawless(entity, data, members)
    return flawless[0] if flawless else _checked(entity, data, parse(data))


def canonical_data(entity: Entity, data: bytes, members: dict[str, Any] | None = None) -> tuple[bytes, bytes | None]:
    """Public and personal JSON of data as they arrive from outside: `canonical` of `decode_data`, and raises the same.

    `members` is what `regular_object` or `parse` made of the data, if they were read before.
    """
    members = regular_object(data) if members is None else members
    flawless = None if members is None else _flawless(entity, data, members)
    return encoded(*flawless[1]) if flawless else canonical(_checked(entity, data, parse(data)))


def _flawless(entity: Entity, data: bytes, members: dict[str, Any]) -> tuple[EntityData, Written] | None:
    """The data if nothing is wrong with them; else None, and who reads them again says what it is."""
    try:
        struct: EntityData = entity.decoder.decode(data)
        written = entity.write(members)
    except (msgspec.DecodeError, DoubtfulError):
        return None
    return None if any(struct.conflicts()) else (struct, written)


def decode_canonical(entity: Entity, data: bytes) -> EntityData:
    """Read canonical public data again, fast: limits and cross-field rules included. Raises as `decode_data`."""
    return _checked(entity, data, _parsed(data))


def checked_statement(entity: Entity, data: bytes) -> Statement:
    """The same, read for a journal. Raises as `decode_data`."""
    tree = _parsed(data)
    _checked(entity, data, tree)
    assert isinstance(tree, dict)  # noqa: S101 - every entity is an object, and it was just checked
    return statement_of(tree)


def _parsed(data: bytes) -> object:
    check_depth(data)
    try:
        tree = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise MalformedError("The text is not JSON in UTF-8.") from None
    if b"\\u" in data:
        refuse_unstorable(tree)
    return tree


def _checked(entity: Entity, data: bytes, tree: object) -> EntityData:
    try:
        struct: EntityData = entity.decoder.decode(data)
    except msgspec.DecodeError:
        raise _refusal(entity, list(islice(explain(entity.shape, tree), MAX_FAULTS)) or [_SCHEMA_FAULT]) from None
    faults = check_values(entity.shape, tree) or list(struct.conflicts())
    if faults:
        raise _refusal(entity, faults)
    return struct


_SCHEMA_FAULT = Fault("", "does not match the schema")


def _refusal(entity: Entity, faults: Sequence[Fault]) -> InvalidInputError:
    if all(fault.reason == CURRENCY_MISMATCH for fault in faults):
        return CurrencyMismatchError(f"This {entity.slug} mixes currencies.", faults=faults[:MAX_FAULTS])
    return InvalidInputError(f"These are not the data of one {entity.slug}.", faults=faults[:MAX_FAULTS])
