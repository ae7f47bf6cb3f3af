"""From the contract's entities to those that this service folds."""

from typing import Literal, cast, get_args

from shared.sales.references import Key

Kind = Literal["deal", "order", "shipment", "return", "invoice", "credit-note", "payment"]

KINDS: frozenset[str] = frozenset(get_args(Kind))


def kind_of(key: Key) -> Kind:
    """The kind of an entity that the lane gave to fold; it gives none but `KINDS`."""
    return cast("Kind", key.kind)
