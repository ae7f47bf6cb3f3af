"""The end of a history as bytes (MessagePack), so that a deal that was forgotten is read on from its last state."""

from collections.abc import Sequence
from datetime import date, datetime

import msgspec

from services.pipeline.domain.facts import Facts, last_lived
from services.pipeline.domain.history import History, Rectangle
from services.pipeline.domain.slices import Slice, ended_reading
from shared.kernel.journal import Journal, known
from shared.sales.company import Company
from shared.sales.references import Key

_Known = tuple[date, datetime, datetime | None, int]
"""Since when a slice is known, its start, its end, and which of the facts hold in it."""


class _End(msgspec.Struct, array_like=True):
    """Until when its ended rectangles were known needs no word: until its day."""

    day: date
    facts: Sequence[Facts]
    open: Sequence[_Known]
    ended: Sequence[_Known]
    asked: Sequence[Key] | None
    """None: what the entity has asked for."""


_pack = msgspec.msgpack.Encoder().encode
_read = msgspec.msgpack.Decoder(_End).decode


def pack_end(end: History, asked: frozenset[Key]) -> bytes:
    """An end, of a deal that has asked for these references."""
    facts: dict[int, tuple[int, Facts]] = {}
    open_, ended = _slices(end.open, facts), _slices(end.ended, facts)
    keys = None if end.asked is asked or end.asked == asked else sorted(end.asked)
    return _pack(_End(end.day, [one for _, one in facts.values()], open_, ended, keys))


def unpack_end(packed: bytes, journal: Journal, asked: frozenset[Key], company: Company) -> History:
    """The same end again, given what was said by then and asked for."""
    end = _read(packed)
    open_ = tuple([Rectangle(since, None, Slice(start, stop, end.facts[at])) for since, start, stop, at in end.open])
    ended = tuple(
        [Rectangle(since, end.day, Slice(start, stop, end.facts[at])) for since, start, stop, at in end.ended]
    )
    keys = asked if end.asked is None else frozenset(end.asked)
    slices, assertions = [one.slice for one in open_], known(journal, end.day)
    last = last_lived(assertions, slices[-1].facts, company)
    return History(end.day, ended, open_, keys, ended_reading(assertions, last, slices, keys))


def _slices(rectangles: Sequence[Rectangle], facts: dict[int, tuple[int, Facts]]) -> list[_Known]:
    """Slices of one state mostly share their facts."""
    return [
        (
            one.known_from,
            one.slice.start,
            one.slice.end,
            facts.setdefault(id(one.slice.facts), (len(facts), one.slice.facts))[0],
        )
        for one in rectangles
    ]
