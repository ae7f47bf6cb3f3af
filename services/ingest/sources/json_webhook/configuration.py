"""What a person writes about a JSON webhook: how it is signed, and which rules read it."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from services.ingest.sources.signing import Algorithm

Kind = Literal["text", "reference", "person", "date", "time", "number", "whole", "truth", "money"]
Unit = Literal["major", "minor", "micros", "percent"]
_HEADER = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$"
Header = Annotated[str, Meta(pattern=_HEADER)]
Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]


class _Said(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True, omit_defaults=True):
    pass


class Hmac(_Said, kw_only=True, frozen=True, tag_field="scheme", tag="hmac"):
    """A header holds the HMAC of what is signed."""

    header: Header
    algorithm: Algorithm = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    prefix: str = ""
    """Before the signature, such as `sha256=`."""
    signed: str = "{body}"
    """What is signed; `{timestamp}` is the other header's text."""
    timestamp_header: Header | None = None
    timestamp_unit: Literal["seconds", "milliseconds"] = "seconds"


class Token(_Said, kw_only=True, frozen=True, tag_field="scheme", tag="token"):
    """A header holds the secret itself."""

    header: Header
    prefix: str = ""
    """Before the secret, such as `Bearer `."""


class Basic(_Said, kw_only=True, frozen=True, tag_field="scheme", tag="basic"):
    """HTTP Basic; the secret is `user:password`."""


class InUrl(_Said, kw_only=True, frozen=True, tag_field="scheme", tag="url"):
    """The secret is the last part of the address."""


Scheme = Hmac | Token | Basic | InUrl


class TimeSaid(_Said, kw_only=True, frozen=True):
    """Where a time stands and how it is written."""

    value: str
    format: str = "rfc3339"
    """`rfc3339` (with an offset; without one it is in `zone`), `seconds`, `milliseconds`, or a pattern such as
    `%d.%m.%Y %H:%M`."""
    zone: str | None = None
    """IANA name; absent: the source's `time_zone`."""


class FieldSaid(_Said, kw_only=True, frozen=True):
    """How one field is read; a bare expression stands for `{"value": …}`."""

    value: str = ""
    constant: str | bool | int | UnsetType | None = UNSET
    kind: Kind | None = None
    """Absent: what the field's type asks for."""
    values: dict[str, str] | UnsetType = UNSET
    """What the sender's words stand for; others are refused, unless there is `otherwise`."""
    otherwise: str | UnsetType | None = UNSET
    """What other words stand for; null clears."""
    currency: str = ""
    """Of money: an expression; absent or null: the source's `currency`."""
    unit: Unit = "major"
    format: str = ""
    zone: str | None = None
    each: str = ""
    """Of a collection: its entries."""
    key: "str | FieldSaid" = ""
    """Of a collection: the id of an entry."""
    removed: str = ""
    """Of a collection: true if this entry is gone."""
    entry: "str | FieldSaid | UnsetType" = UNSET
    """Of a collection whose entries are single values, such as `allocations`."""
    fields: "dict[str, str | FieldSaid]" = {}
    """Of a collection: the fields of an entry."""


class RuleSaid(_Said, kw_only=True, frozen=True):
    """What one kind of notice says."""

    name: Name
    """For good: it is part of the ids of events."""
    entity: str
    """`deal`, `customer`, …; `nothing` for a notice that is known and says nothing."""
    each: str = ""
    when: str = ""
    id: "str | FieldSaid" = ""
    event_id: str = ""
    time: str | TimeSaid = ""
    sequence: str | TimeSaid = ""
    ended: bool | str | UnsetType = UNSET
    whole: bool = False
    """The record is whole: what is not there is cleared."""
    fields: dict[str, str | FieldSaid] = {}
