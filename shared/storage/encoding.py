"""How a journal and what an entity has posted are packed into compact values (MessagePack).

Both only grow, so an entity keeps them in parts: an event adds a part, and nothing that was packed is packed again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import msgspec

from shared.kernel.journal import Assertion, Journal, Stamp, joined
from shared.kernel.ledger import Cell, Cells, Ledger, Measures, post
from shared.kernel.money import plain
from shared.sales.references import Key

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class _Said(msgspec.Struct, array_like=True):
    occurred: int
    sequence: int
    source: str
    event_id: str
    known_on: int
    revision: int
    ended: bool | None
    since: int | None
    said: dict[str, object]


class _Cell(msgspec.Struct, array_like=True):
    ledger: str
    known_on: int
    day: int
    fact: str
    dimensions: tuple[str | int | bool | None, ...]
    measures: tuple[int | str, ...]


class _Part(msgspec.Struct, array_like=True):
    cells: list[_Cell]
    asked: list[tuple[str, str]] | None
    """All keys asked for, if they are others than before."""


@dataclass(slots=True)
class Posted:
    """What an entity has posted, all parts added up."""

    cells: Cells = field(default_factory=dict)
    until: date | None = None
    """The last day of learning on which something was posted, also if it came to nothing."""
    asked: frozenset[Key] = frozenset()


_pack = msgspec.msgpack.Encoder().encode
_read_journal = msgspec.msgpack.Decoder(list[_Said]).decode
_read_part = msgspec.msgpack.Decoder(_Part).decode


def pack_journal(journal: Iterable[Assertion]) -> bytes:
    """Assertions as bytes; instants to the microsecond."""
    return _pack(
        [
            _Said(
                (one.stamp.occurred_at - _EPOCH) // _MICROSECOND,
                one.stamp.sequence,
                one.stamp.source,
                one.stamp.event_id,
                one.known_on.toordinal(),
                one.revision,
                one.ended,
                None if one.since is None else one.since.toordinal(),
                dict(one.said),
            )
            for one in journal
        ]
    )


def unpack_journal(*parts: bytes) -> Journal:
    """The journal whose parts were packed, in stamp order; a part holds what came together, in any order."""
    return joined((), [_assertion(said) for part in parts for said in _read_journal(part)])


def _assertion(said: _Said) -> Assertion:
    return Assertion(
        Stamp(_EPOCH + said.occurred * _MICROSECOND, said.sequence, said.source, said.event_id),
        date.fromordinal(said.known_on),
        said.said,
        said.ended,
        None if said.since is None else date.fromordinal(said.since),
        said.revision,
    )


def pack_posted(cells: Mapping[Cell, Measures], asked: Iterable[Key] | None) -> bytes:
    """One part: what an entity posts now, and all reference keys that it asked for; None: those of the part before."""
    amounts = {id(measures): measures for measures in cells.values()}  # most cells share a few of them
    written = {
        place: tuple([plain(one) if isinstance(one, Decimal) else one for one in measures])
        for place, measures in amounts.items()
    }
    rows = [
        _Cell(ledger, known_on.toordinal(), day.toordinal(), fact, dimensions, written[id(measures)])
        for (ledger, known_on, day, fact, dimensions), measures in cells.items()
    ]
    return _pack(_Part(rows, None if asked is None else sorted(asked)))


def unpack_posted(parts: Iterable[bytes], ledgers: Mapping[str, Ledger]) -> Posted:
    """What was packed; measures become whole numbers or decimals as their ledger declares them."""
    posted = Posted()
    until = 0
    for part in map(_read_part, parts):
        if part.asked is not None:
            posted.asked = frozenset(Key(*key) for key in part.asked)
        for row in part.cells:
            kinds = ledgers[row.ledger].measure_kinds
            cell = Cell(row.ledger, date.fromordinal(row.known_on), date.fromordinal(row.day), row.fact, row.dimensions)
            post(posted.cells, cell, tuple([kind(one) for kind, one in zip(kinds, row.measures, strict=True)]))
            until = max(until, row.known_on)
    posted.until = date.fromordinal(until) if until else None
    return posted
