"""What is packed is unpacked as it was, to the microsecond and the last digit."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from itertools import pairwise
from typing import TypeVar

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from shared.kernel.journal import Assertion, Stamp, merge
from shared.kernel.ledger import Cell, Cells, balance_of, post
from shared.sales.references import Key
from shared.sales.timeline import Standing
from shared.storage.encoding import (
    pack_journal,
    pack_model,
    pack_posted,
    unpack_journal,
    unpack_model,
    unpack_posted,
    unpack_standing,
)
from tests.unit.sales.mini import Dimensions, Sums

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
plain = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | texts
values = st.recursive(plain, lambda inner: st.dictionaries(texts, inner, max_size=3), max_leaves=5)
instants = st.datetimes(datetime(1900, 1, 1), datetime(2199, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
dates = st.dates(date(1900, 1, 1), date(2199, 12, 31))
assertions = st.builds(
    Assertion,
    st.builds(Stamp, instants, st.integers(0, 2**63 - 1), texts, texts),
    dates,
    st.dictionaries(texts, values, max_size=4),
    st.none() | st.booleans(),
    st.none() | dates,
    st.integers(0, 2**31),
)
cells = st.builds(
    Cell, st.just("mini"), dates, dates, texts, st.builds(Dimensions, st.none() | texts, st.none() | texts).map(tuple)
)
measures = st.builds(
    Sums, st.integers(-(2**40), 2**40), st.decimals(-(10**30), 10**30, places=24), st.integers(-5, 5)
).map(tuple)


@given(st.lists(assertions, max_size=6))
def test_a_journal_is_unpacked_as_it_was(told: list[Assertion]) -> None:
    journal = merge((), told)
    assert unpack_journal(pack_journal(journal)) == journal


@given(instants, st.integers(-23, 23))
def test_an_instant_is_the_same_in_whatever_offset_it_was_said(instant: datetime, hours: int) -> None:
    said = instant.astimezone(timezone(timedelta(hours=hours)))
    one = Assertion(Stamp(said, 0, "/crm", "e"), date(2026, 3, 1))
    assert unpack_journal(pack_journal((one,)))[0].stamp.occurred_at == instant


@given(st.lists(st.tuples(cells, measures), max_size=6), st.frozensets(st.builds(Key, texts, texts), max_size=5))
def test_what_was_posted_and_asked_is_unpacked_as_it_was(
    entries: list[tuple[Cell, tuple[int | Decimal, ...]]], asked: frozenset[Key]
) -> None:
    standing: Cells = {}
    for cell, amount in entries:
        post(standing, cell, amount)
    parts = [pack_posted(standing, asked)]
    found = unpack_posted(parts)
    assert (found, unpack_standing(parts).asked) == (standing, asked)
    assert all([type(one) for one in amount] == [int, Decimal, int] for amount in found.values())


@given(st.lists(assertions, max_size=6), st.data())
def test_parts_of_a_journal_make_the_journal(told: list[Assertion], data: st.DataObject) -> None:
    journal = merge((), told)
    parts = split(data, data.draw(st.permutations(journal)))
    assert unpack_journal(*map(pack_journal, parts)) == journal


@given(st.lists(st.tuples(cells, measures), max_size=6), st.data())
def test_parts_of_what_was_posted_add_up(
    entries: list[tuple[Cell, tuple[int | Decimal, ...]]], data: st.DataObject
) -> None:
    standing: Cells = {}
    parts = []
    for part in split(data, entries):
        change: Cells = {}
        for cell, amount in part:
            post(standing, cell, amount)
            post(change, cell, amount)
        parts.append(pack_posted(change, None))
    assert unpack_posted(parts) == standing
    assert unpack_standing(parts).balance == balance_of(standing)


def test_what_many_cells_say_is_packed_once() -> None:
    day, owner, amount = date(2026, 3, 1), "a member with a long name", Sums(1, Decimal("12.5"), 0)
    alike: Cells = {Cell("mini", day, day, fact, (owner, None)): amount for fact in ("advanced", "created", "open")}
    packed = pack_posted(alike, None)
    assert unpack_posted([packed]) == alike
    assert packed.count(owner.encode()) == packed.count(b"12.5") == 1


def test_a_part_that_says_it_in_full_is_read_too() -> None:
    day, amount = date(2026, 3, 1), Sums(1, Decimal("12.5"), 0)
    cells: Cells = {Cell("mini", day, day, fact, ("ann", None)): amount for fact in ("created", "open")}
    rows = [
        ("mini", day.toordinal(), day.toordinal(), fact, ("ann", None), (1, "12.5", 0)) for fact in ("created", "open")
    ]
    assert unpack_posted([msgspec.msgpack.encode((rows, None))]) == cells


def test_equal_values_of_two_ledgers_keep_their_types() -> None:
    day = date(2026, 3, 1)
    told: Cells = {
        Cell("one", day, day, "open", (True, None)): (1, Decimal(2)),
        Cell("two", day, day, "open", (1, None)): (Decimal(1), 2),
    }
    types = [
        [*map(type, cell.dimensions), *map(type, sums)]
        for cell, sums in unpack_posted([pack_posted(told, None)]).items()
    ]
    assert types == [[*map(type, cell.dimensions), *map(type, sums)] for cell, sums in told.items()]


def test_the_keys_asked_for_are_those_of_the_last_part_that_says_any() -> None:
    asked = frozenset({Key("member", "ann"), Key("product", "lamp")})
    parts = [pack_posted({}, {Key("member", "bob")}), pack_posted({}, asked), pack_posted({}, None)]
    assert unpack_standing(parts).asked == asked


def test_the_last_day_of_learning_is_told_though_its_postings_come_to_nothing() -> None:
    cell = Cell("mini", date(2026, 3, 2), date(2026, 3, 1), "open", (None, None))
    parts = [pack_posted({cell: Sums(sign, Decimal(0), 0)}, None) for sign in (1, -1)]
    standing = unpack_standing(parts)
    assert (standing.balance, standing.until) == ({}, date(2026, 3, 2))
    assert unpack_standing([]) == Standing()


T = TypeVar("T")


def split(data: st.DataObject, entries: list[T]) -> list[list[T]]:
    """The same entries in some parts."""
    cuts = sorted(data.draw(st.sets(st.integers(0, len(entries)), max_size=3)) | {0, len(entries)})
    return [entries[start:stop] for start, stop in pairwise(cuts)]


@given(st.binary(max_size=9), st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1))
def test_a_model_is_good_for_the_number_at_which_it_was_stored(model: bytes, number: int, other: int) -> None:
    packed = pack_model(model, number)
    assert unpack_model(packed, number) == model
    assert (unpack_model(packed, other) is None) == (other != number)
    assert unpack_model(pack_model(None, number), number) is None
