"""How a journal and what an entity has posted are packed into compact values (MessagePack).

Both only grow, so an entity keeps them in parts: an event adds a part, and nothing that was packed is packed again.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta

import msgspec

from shared.kernel.journal import Assertion, Journal, joined, stamp
from shared.kernel.ledger import Balance, Cell, Cells, Dimensions, Measures, Number, added, post
from shared.kernel.money import plain
from shared.sales.references import Key
from shared.sales.timeline import Standing

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NUMBER = 8
"""Bytes of the number of an event."""


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


_Written = tuple[int | str, ...]
"""Measures, decimals as text."""
_Cell = tuple[str, int, int, str, Dimensions | int, Measures | int]
"""Ledger, day of learning, day, fact, dimensions, measures; of the last two, what an earlier cell of the part says
already is only the place of that cell."""
_Part = tuple[list[_Cell], list[Key] | None]
"""Cells, and all keys asked for, if they are others than before."""

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
        stamp((_EPOCH + said.occurred * _MICROSECOND, said.sequence, said.source, said.event_id)),
        date.fromordinal(said.known_on),
        said.said,
        said.ended,
        None if said.since is None else date.fromordinal(said.since),
        said.revision,
    )


def pack_posted(cells: Mapping[Cell, Measures], asked: Iterable[Key] | None) -> bytes:
    """One part: what an entity posts now, and all reference keys that it asked for; None: those of the part before."""
    rows: list[tuple[str, int, int, str, Dimensions | int, _Written | int]] = []
    places: dict[Dimensions, int] = {}
    amounts: dict[Measures, int] = {}
    met: dict[int, int] = {}  # by identity: many cells hold the very same measures, and decimals are slow to hash
    of: str | None = None
    for at, ((ledger, known_on, day, fact, dimensions), measures) in enumerate(cells.items()):
        if ledger != of:  # equal values of two ledgers may be of other types
            places, amounts, met, of = {}, {}, {}, ledger
        place = places.setdefault(dimensions, at)
        if (amount := met.get(id(measures), -1)) < 0:
            amount = met[id(measures)] = amounts.setdefault(measures, at)
        rows.append(
            (
                ledger,
                known_on.toordinal(),
                day.toordinal(),
                fact,
                dimensions if place == at else place,
                _written(measures) if amount == at else amount,
            )
        )
    return _pack((rows, None if asked is None else sorted(asked)))


def _written(measures: Measures) -> _Written:
    """Equal numbers are written alike, wherever they were summed. Mostly the decimals are one object: an amount in base
    currency."""
    texts: list[int | str] = []
    before: Number | None = None
    text = ""
    for one in measures:
        if type(one) is int:
            texts.append(one)
        else:
            if one is not before:
                before, text = one, plain(one)  # type: ignore[arg-type]
            texts.append(text)
    return tuple(texts)


def unpack_posted(parts: Iterable[bytes]) -> Cells:
    """All that was packed, part by part added up."""
    cells: Cells = {}
    for part, _ in map(_read_part, parts):
        for ledger, known_on, day, fact, place, amount in part:
            dimensions, measures = _meant(part, place, amount)
            post(cells, Cell(ledger, date.fromordinal(known_on), date.fromordinal(day), fact, dimensions), measures)
    return cells


def _meant(part: list[_Cell], place: Dimensions | int, amount: Measures | int) -> tuple[Dimensions, Measures]:
    """Of a cell that may say only where they stand: there they are written out."""
    if isinstance(place, int):
        place = part[place][4]
    if isinstance(amount, int):
        amount = part[amount][5]
    return place, amount  # type: ignore[return-value]


def unpack_standing(parts: Iterable[bytes]) -> Standing:
    """What the next event needs of the same: sums over the days of learning, and the keys of the last part that says
    any. The last day of learning is also told by postings that came to nothing."""
    balance: Balance = {}
    asked: Iterable[Key] = ()
    until = 0
    days: dict[int, date] = {}
    for part, keys in map(_read_part, parts):
        asked = asked if keys is None else keys
        for ledger, known_on, ordinal, fact, place, amount in part:
            dimensions = part[place][4] if type(place) is int else place
            measures = part[amount][5] if type(amount) is int else amount
            if (day := days.get(ordinal)) is None:
                day = days[ordinal] = date.fromordinal(ordinal)
            count = len(balance)  # as `post`, which a call for each cell makes slower; no part holds what is nothing
            account = ledger, day, fact, dimensions
            before = balance.setdefault(account, measures)
            if len(balance) == count:
                if any(sums := added(before, measures)):
                    balance[account] = sums
                else:
                    del balance[account]
            if known_on > until:
                until = known_on
    return Standing(balance, date.fromordinal(until) if until else None, frozenset(asked))


def pack_model(model: bytes | None, number: int) -> bytes | None:
    """A service's model of an entity as it was changed by event `number`."""
    return None if model is None else number.to_bytes(_NUMBER) + model


def unpack_model(packed: bytes | None, number: int) -> bytes | None:
    """The model, if event `number` was the last that changed the entity: a version of the code that knows nothing of
    models leaves an old one behind."""
    if packed is None or int.from_bytes(packed[:_NUMBER]) != number:
        return None
    return packed[_NUMBER:]
