"""Bookkeeping: postings are added and taken back, exactly, and the difference is all that is ever appended."""

from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from shared.kernel.ledger import Cell, Cells, Ledger, Measures, added, difference, negated, post


class Dimensions(NamedTuple):
    team: str | None
    rank: int | None
    related: bool


class Sums(NamedTuple):
    deals: int
    value: Decimal


LEDGER = Ledger("deals", Dimensions, Sums)
cells = st.builds(
    Cell,
    st.just("deals"),
    st.integers(0, 2).map(lambda n: date(2026, 3, 1) + timedelta(days=n)),
    st.just(date(2026, 3, 1)),
    st.sampled_from(["open", "won"]),
    st.tuples(st.sampled_from([None, "north"]), st.none() | st.integers(0, 1), st.booleans()),
)
measures = st.tuples(st.integers(-3, 3), st.decimals(-(10**20), 10**20, places=12))
postings = st.lists(st.tuples(cells, measures), max_size=12)


def ledger(entries: list[tuple[Cell, Measures]]) -> Cells:
    standing: Cells = {}
    for cell, amount in entries:
        post(standing, cell, amount)
    return standing


@given(postings, st.data())
def test_the_order_of_postings_does_not_matter(entries: list[tuple[Cell, Measures]], data: st.DataObject) -> None:
    assert ledger(data.draw(st.permutations(entries))) == ledger(entries)


@given(postings)
def test_what_comes_to_nothing_is_no_cell(entries: list[tuple[Cell, Measures]]) -> None:
    standing = ledger(entries)
    assert all(any(amount) for amount in standing.values())
    assert ledger([*entries, *((cell, negated(amount)) for cell, amount in entries)]) == {}


@given(postings, postings)
def test_posted_and_the_difference_make_what_is_owed(
    owed: list[tuple[Cell, Measures]], posted: list[tuple[Cell, Measures]]
) -> None:
    now, before = ledger(owed), ledger(posted)
    assert ledger([*before.items(), *difference(now, before).items()]) == now
    assert difference(now, now) == {}
    assert difference(now, {}) == now
    assert all(any(amount) for amount in difference(now, before).values())


@given(measures, measures)
def test_sums_are_exact_and_reversals_undo_them(left: Measures, right: Measures) -> None:
    assert added(added(left, right), negated(right)) == left
    assert all(not any(added(one, negated(one))) for one in (left, right))


def test_a_ledger_reads_its_columns_off_two_tuples() -> None:
    assert LEDGER.dimension_types == {"team": str, "rank": int, "related": bool}
    assert LEDGER.measure_types == {"deals": int, "value": Decimal}
