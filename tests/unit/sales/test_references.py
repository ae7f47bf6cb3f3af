"""Dated reference values against a naive reading of the bare assertions, and the cuts that a stock takes from them."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.kernel.journal import Assertion, Journal, Stamp, Value, known, merge
from shared.sales.references import Dated, Key, References, View

FIRST = date(2026, 3, 1)
KEY = Key("member", "ann")
OTHER = Key("member", "bo")
numbers = st.integers(0, 8)
days = numbers.map(lambda number: FIRST + timedelta(days=number))
known_days = days | st.just(date.max)
law = settings(max_examples=200)


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


def said(
    hour: int, fields: dict[str, Value], *, since: int | None = None, on: int = 0, revision: int = 0
) -> Assertion:  # fmt: skip
    """What the source said at an hour, of a business date, learned on a day."""
    stamp = Stamp(datetime(2026, 3, 1, tzinfo=UTC) + timedelta(hours=hour), 0, "/crm", f"e{hour}")
    return Assertion(stamp, day(on), fields, since=None if since is None else day(since), revision=revision)


journals = st.lists(
    st.builds(
        said,
        st.integers(0, 5),
        st.dictionaries(st.sampled_from(["unit_id", "role"]), st.sampled_from([None, "a", "b", "c"]), max_size=2),
        since=st.none() | numbers,
        on=numbers,
        revision=st.integers(0, 2),
    ),
    max_size=7,
).map(lambda told: merge((), told))


def naive(journal: Journal, name: str, on: date, at: date) -> Value:
    """Of what was known and holds by then, the latest start; of several, what was said last."""
    holding = [a for a in known(journal, at) if name in a.said and (a.since or date.min) <= on]
    return max(holding, key=lambda a: (a.since or date.min, a.stamp)).said[name] if holding else None


def view(journal: Journal, at: date) -> View:
    return View(References({KEY: journal}), at)


@law
@given(journals, days, known_days)
def test_the_value_of_a_day_is_what_was_said_last_of_the_latest_start(journal: Journal, on: date, at: date) -> None:
    assert Dated(journal).at("unit_id", on, at)[0] == naive(journal, "unit_id", on, at)


@law
@given(journals, days, days)
def test_nothing_changes_before_the_next_day_of_learning(journal: Journal, on: date, at: date) -> None:
    value, learned = Dated(journal).at("unit_id", on, at)
    later = [day(n) for n in range(10) if day(n) > at]
    assert learned is None or learned > at
    assert all(naive(journal, "unit_id", on, one) == value for one in later if learned is None or one < learned)


@law
@given(journals, days, days)
def test_nothing_changes_before_the_next_start(journal: Journal, on: date, at: date) -> None:
    starts, learned = Dated(journal).beyond("unit_id", on, at)
    assert starts is None or starts > on
    for at_ in (day(n) for n in range(10) if day(n) >= at):
        if learned is not None and at_ >= learned:
            break
        for one in (day(n) for n in range(10) if day(n) > on and (starts is None or day(n) < starts)):
            assert naive(journal, "unit_id", one, at_) == naive(journal, "unit_id", on, at_)


@law
@given(journals, known_days, days, st.integers(0, 9))
def test_stretches_cover_the_span_and_hold_throughout(journal: Journal, at: date, start: date, length: int) -> None:
    end = start + timedelta(days=length)
    seen = view(journal, at)
    stretches = list(seen.stretches(lambda on: seen.text(KEY, "unit_id", on), start, end))
    assert [first for first, _, _ in stretches] == [start, *(stop for _, stop, _ in stretches)][: len(stretches)]
    assert (stretches[-1][1] if stretches else start) == end
    for first, stop, answer in stretches:
        for on in (first + timedelta(days=n) for n in range((stop - first).days)):
            assert answer == naive(journal, "unit_id", on, at)


@law
@given(journals, days, days, days)
def test_a_question_about_a_fixed_day_cuts_nothing_backwards(
    journal: Journal, at: date, start: date, fixed: date
) -> None:
    """As an amount at constant currency asks: whatever the stretch, it wants the value of one and the same day."""
    seen = view(journal, at)
    end = start + timedelta(days=6)

    def answer(on: date) -> tuple[Value, Value]:
        return seen.value(KEY, "role", fixed), seen.value(KEY, "unit_id", on)

    stretches = list(seen.stretches(answer, start, end))
    assert all(first < stop for first, stop, _ in stretches)
    for first, stop, answered in stretches:
        for on in (first + timedelta(days=n) for n in range((stop - first).days)):
            assert answered == (naive(journal, "role", fixed, at), naive(journal, "unit_id", on, at))


@law
@given(journals, days, days, st.lists(days, max_size=3))
def test_a_view_says_when_an_answer_would_next_be_another_one(
    journal: Journal, at: date, start: date, asked: list[date]
) -> None:
    seen = view(journal, at)
    end = start + timedelta(days=5)

    def answers(one: View) -> list[object]:
        cut = one.stretches(lambda on: one.text(KEY, "unit_id", on), start, end)
        return [list(_merged(list(cut))), *(one.value(KEY, "role", on) for on in asked)]

    now = answers(seen)
    for later in (day(n) for n in range(10) if day(n) > at):
        if seen.learned is not None and later >= seen.learned:
            break
        assert answers(view(journal, later)) == now


def _merged(stretches: Sequence[tuple[date, date, Value]]) -> list[tuple[date, date, Value]]:
    merged: list[tuple[date, date, Value]] = []
    for first, stop, answer in stretches:
        if merged and merged[-1][2] == answer:
            merged[-1] = (merged[-1][0], stop, answer)
        else:
            merged.append((first, stop, answer))
    return merged


def test_a_view_remembers_what_it_was_asked_misses_included() -> None:
    seen = view((said(1, {"unit_id": "north"}),), day(0))
    assert (seen.text(KEY, "unit_id", day(0)), seen.text(OTHER, "unit_id", day(0))) == ("north", None)
    assert seen.asked == {KEY, OTHER}


def test_an_empty_span_has_no_stretches_and_asks_nothing() -> None:
    seen = view((said(1, {"unit_id": "north"}),), day(0))
    assert list(seen.stretches(lambda on: seen.value(KEY, "unit_id", on), day(2), day(2))) == []
    assert seen.asked == set()


def test_what_is_no_text_is_no_text() -> None:
    assert view((said(1, {"active": True}),), day(0)).text(KEY, "active", day(0)) is None


def test_an_amount_of_money_is_one_value() -> None:
    price = {"amount": "1.50", "currency": "EUR"}
    assert view((said(1, {"price": price}),), day(0)).value(KEY, "price", day(0)) == price


def stage(told: Sequence[Assertion], label: str = "Won!", on: int = 0, at: int = 0) -> Value:
    return view(merge((), told), day(at)).value(KEY, f"stages.{label}.stage", day(on))


def test_an_entry_of_a_collection_is_read_under_its_own_id() -> None:
    told = [said(1, {"stages": {"Won!": {"stage": "won"}, "a.b": {"stage": "lost"}}}), said(2, {"stages": {}})]
    assert (stage(told), stage(told, "a.b"), stage(told, "a")) == ("won", "lost", None)


def test_a_removed_entry_no_longer_holds() -> None:
    told = [said(1, {"stages": {"Won!": {"stage": "won"}}}), said(2, {"stages": {"Won!": None}}, on=3)]
    assert (stage(told, at=2), stage(told, at=3)) == ("won", None)


def test_a_removal_holds_from_its_own_date() -> None:
    told = [said(1, {"stages": {"Won!": {"stage": "won"}}}), said(2, {"stages": {"Won!": None}}, since=4)]
    assert (stage(told, on=3), stage(told, on=4)) == ("won", None)


def test_a_removed_entry_that_is_said_again_holds_again() -> None:
    removed = [said(1, {"stages": {"Won!": {"stage": "won"}}}), said(2, {"stages": {"Won!": None}})]
    assert stage([*removed, said(3, {"stages": {"Won!": {"stage": "lost"}}})]) == "lost"
    assert stage([*removed, said(3, {"stages": {"Won!": {}}})]) is None


def test_a_cleared_collection_holds_nothing() -> None:
    told = [said(1, {"stages": {"Won!": {"stage": "won"}}}), said(2, {"stages": None})]
    assert stage(told) is None
    assert stage([*told, said(3, {"stages": {"x": {"stage": "lost"}}})], "x") == "lost"


def test_removing_an_entry_leaves_one_whose_id_begins_alike() -> None:
    told = [said(1, {"stages": {"a": {"stage": "won"}, "a.b": {"stage": "lost"}}}), said(2, {"stages": {"a": None}})]
    assert (stage(told, "a"), stage(told, "a.b")) == (None, "lost")


def test_references_that_learn_leave_those_before_as_they_were() -> None:
    before = References({KEY: (said(1, {"unit_id": "north"}),)})
    assert before.dated(KEY) is before.dated(KEY)
    after = before.learn({OTHER: (said(2, {"unit_id": "south"}),)})
    assert (before.journal(OTHER), len(after.journal(OTHER))) == ((), 1)
    assert after.dated(KEY) is before.dated(KEY)
    assert after.learn({KEY: ()}).dated(KEY) is not before.dated(KEY)
    assert (before.dated(OTHER), list(after.keys("member")), list(after.keys("product"))) == (None, [KEY, OTHER], [])
