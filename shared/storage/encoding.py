"""How a journal and what an entity has posted are packed into one compact value each (MessagePack)."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import msgspec

from shared.kernel.journal import Assertion, Journal, Stamp
from shared.kernel.ledger import Cell, Cells, Ledger
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


class _Posted(msgspec.Struct, array_like=True):
    ledger: str
    known_on: int
    day: int
    fact: str
    dimensions: tuple[str | int | bool | None, ...]
    measures: tuple[int | str, ...]


class _Remembered(msgspec.Struct, array_like=True):
    cells: list[_Posted]
    asked: list[tuple[str, str]]


_pack = msgspec.msgpack.Encoder().encode
_read_journal = msgspec.msgpack.Decoder(list[_Said]).decode
_read_posted = msgspec.msgpack.Decoder(_Remembered).decode


def pack_journal(journal: Journal) -> bytes:
    """A journal as bytes; instants to the microsecond."""
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


def unpack_journal(packed: bytes) -> Journal:
    """The journal that was packed."""
    return tuple(
        Assertion(
            Stamp(_EPOCH + said.occurred * _MICROSECOND, said.sequence, said.source, said.event_id),
            date.fromordinal(said.known_on),
            said.said,
            said.ended,
            None if said.since is None else date.fromordinal(said.since),
            said.revision,
        )
        for said in _read_journal(packed)
    )


def pack_posted(cells: Cells, asked: Iterable[Key]) -> bytes:
    """What an entity has posted and the reference keys that it asked for."""
    rows = [
        _Posted(
            cell.ledger,
            cell.known_on.toordinal(),
            cell.day.toordinal(),
            cell.fact,
            cell.dimensions,
            tuple(plain(one) if isinstance(one, Decimal) else one for one in measures),
        )
        for cell, measures in cells.items()
    ]
    return _pack(_Remembered(rows, sorted(asked)))


def unpack_posted(packed: bytes, ledgers: Mapping[str, Ledger]) -> tuple[Cells, frozenset[Key]]:
    """What was packed; measures become whole numbers or decimals as their ledger declares them."""
    remembered = _read_posted(packed)
    cells: Cells = {}
    for row in remembered.cells:
        kinds = ledgers[row.ledger].measure_types.values()
        cell = Cell(
            row.ledger, date.fromordinal(row.known_on), date.fromordinal(row.day), row.fact, tuple(row.dimensions)
        )
        cells[cell] = tuple(kind(one) for kind, one in zip(kinds, row.measures, strict=True))
    return cells, frozenset(Key(*key) for key in remembered.asked)
