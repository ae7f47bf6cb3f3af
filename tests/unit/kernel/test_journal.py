"""A journal is a set of assertions: how it was put together cannot be seen in it."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from shared.kernel.journal import Assertion, Journal, Stamp, known, merge, states

START = datetime(2026, 3, 1, tzinfo=UTC)
COLLECTIONS = frozenset({"lines"})
days = st.integers(0, 5).map(lambda number: START.date() + timedelta(days=number))
entries = st.dictionaries(
    st.sampled_from("12"), st.none() | st.dictionaries(st.sampled_from(["net", "unit"]), st.none() | st.integers(0, 9))
)
said = st.fixed_dictionaries(
    {}, optional={"stage": st.sampled_from([None, "a", "b"]), "amount": st.integers(0, 3), "lines": st.none() | entries}
)


@st.composite
def assertions(draw: st.DrawFn, event_id: str, revision: int) -> Assertion:
    stamp = Stamp(START + timedelta(hours=draw(st.integers(0, 48))), draw(st.integers(0, 1)), "/crm", event_id)
    ended = draw(st.sampled_from([None, None, None, True, False]))
    return Assertion(stamp, draw(days), draw(said), ended, revision=revision)


@st.composite
def stories(draw: st.DrawFn) -> list[Assertion]:
    """Some events, some of them in several revisions."""
    identities = [
        (f"e{n}", revision) for n in range(draw(st.integers(0, 5))) for revision in range(draw(st.integers(1, 3)))
    ]
    return [draw(assertions(*identity)) for identity in identities]


def one(hour: int, fields: dict[str, Any], *, ended: bool | None = None, revision: int = 0, on: int = 0) -> Assertion:
    """One assertion of an event of its own; `on` is the day on which it was learned."""
    stamp = Stamp(START + timedelta(hours=hour), 0, "/crm", f"e{hour}")
    return Assertion(stamp, START.date() + timedelta(days=on), fields, ended, revision=revision)


def fields_of(*journal: Assertion) -> dict[str, Any]:
    return dict(states(merge((), journal), COLLECTIONS)[-1].fields)


@given(stories(), st.data())
def test_merging_is_union(story: list[Assertion], data: st.DataObject) -> None:
    whole = merge((), story)
    shuffled = data.draw(st.permutations(story + story[:2]))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(shuffled)), max_size=3)))
    journal: Journal = ()
    for start, stop in zip([0, *cuts], [*cuts, len(shuffled)], strict=True):
        journal = merge(journal, shuffled[start:stop])
    assert journal == whole
    assert len(whole) == len(story)
    assert [(a.stamp, a.revision) for a in whole] == sorted((a.stamp, a.revision) for a in whole)


@given(stories(), stories(), stories())
def test_merging_is_associative_and_commutative(a: list[Assertion], b: list[Assertion], c: list[Assertion]) -> None:
    a, b, c = _with_one_content(a, b, c)
    assert merge(merge((), a), merge(merge((), b), c)) == merge(merge(merge((), a), b), c)
    assert merge(merge((), a), b) == merge(merge((), b), a)


def _with_one_content(*stories_: Sequence[Assertion]) -> list[list[Assertion]]:
    """The inbox admits one content for each revision of an event."""
    first: dict[tuple[tuple[str, str], int], Assertion] = {}
    return [[first.setdefault((a.identity, a.revision), a) for a in story] for story in stories_]


@given(stories())
def test_what_is_there_already_changes_nothing(story: list[Assertion]) -> None:
    journal = merge((), story)
    assert merge(journal, story) is journal


@given(stories(), days)
def test_of_each_event_the_highest_revision_known_counts(story: list[Assertion], on: date) -> None:
    found = known(merge((), story), on)
    expected = {}
    for event in {a.identity for a in story}:
        learned = [a for a in story if a.identity == event and a.known_on <= on]
        if learned:
            expected[event] = max(learned, key=lambda a: a.revision)
    assert {a.identity: a for a in found} == expected
    assert [a.stamp for a in found] == sorted(a.stamp for a in found)


@given(stories(), days)
def test_each_field_says_what_was_said_last(story: list[Assertion], on: date) -> None:
    seen = known(merge((), story), on)
    for count, state in enumerate(states(seen, COLLECTIONS), start=1):
        past = seen[:count]
        for name in ("stage", "amount"):
            saying = [a for a in past if name in a.said]
            assert (name in state.fields) == bool(saying)
            if saying:
                assert (state.fields[name], state.stamps[name]) == (saying[-1].said[name], saying[-1].stamp)
        endings = [a.ended for a in past if a.ended is not None]
        assert state.ended is (endings[-1] if endings else False)
        assert state.since == past[-1].stamp.occurred_at


@given(stories())
def test_entries_are_read_like_fields_each_under_its_own_id(story: list[Assertion]) -> None:
    journal = merge((), [a for a in story if a.revision == 0])
    expected: dict[str, dict[str, Any]] = {}
    for a in journal:
        whole: Any = a.said.get("lines", {})
        if whole is None:
            expected.clear()
            continue
        for key, entry in whole.items():
            if entry is None:
                expected.pop(key, None)
            else:
                expected.setdefault(key, {}).update(entry)
    assert not journal or states(journal, COLLECTIONS)[-1].entries("lines") == expected


def test_clearing_is_said_and_silence_is_not() -> None:
    assert fields_of(one(1, {"stage": "a"}), one(2, {})) == {"stage": "a"}
    assert fields_of(one(1, {"stage": "a"}), one(2, {"stage": None})) == {"stage": None}


def test_a_removed_entry_that_is_said_again_starts_afresh() -> None:
    removed = [one(1, {"lines": {"1": {"net": 1, "unit": 2}}}), one(2, {"lines": {"1": None}})]
    assert fields_of(*removed, one(3, {"lines": {"1": {"net": 5}}})) == {"lines": {"1": {"net": 5}}}


def test_what_is_no_entry_says_nothing_about_entries() -> None:
    assert fields_of(one(1, {"lines": {"1": {"net": 1}}}), one(2, {"lines": {"1": 7}})) == {"lines": {"1": {"net": 1}}}


def test_an_entity_is_back_only_when_that_is_said() -> None:
    lived = states([one(1, {}), one(2, {}, ended=True), one(3, {"stage": "a"}), one(4, {}, ended=False)])
    assert [state.ended for state in lived] == [False, True, True, False]


def test_a_revision_may_move_an_event_in_time_and_leave_a_field_unsaid() -> None:
    first, mended = one(1, {"stage": "a", "amount": 1}), Assertion(
        Stamp(START + timedelta(hours=9), 0, "/crm", "e1"), START.date() + timedelta(days=2), {"stage": "c"}, revision=1
    )  # fmt: skip
    journal = merge((), [mended, one(5, {"stage": "b"}), first])
    before, after = (states(known(journal, START.date() + timedelta(days=n)))[-1] for n in (0, 2))
    assert (before.text("stage"), before.fields["amount"]) == ("b", 1)
    assert (after.text("stage"), "amount" in after.fields) == ("c", False)


def test_values_of_another_kind_are_no_text_and_no_entries() -> None:
    [state] = states([one(1, {"amount": 3, "lines": "x"})])
    assert state.text("amount") is None
    assert state.text("unsaid") is None
    assert state.entries("lines") == {}
