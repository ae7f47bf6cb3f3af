"""The law on the real rules: a number is a pure function of the set of accepted events, also as known on a past day.

Order, repetition, batching, the interleaving of reference data and the split into partitions cannot be seen in it.
"""

from datetime import UTC, date, datetime
from itertools import pairwise

from hypothesis import given, settings, target
from hypothesis import strategies as st

from tests.unit.sales import mini, oracle
from tests.unit.sales.events import Event
from tests.unit.sales.stories import days, learned_by, stories
from tests.unit.sales.worker import Worker, ledger, read, told

law = settings(max_examples=150)


@law
@given(stories(), st.data())
def test_order_repetition_and_batching_do_not_matter(story: list[Event], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(story + story[:3]))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(shuffled)), max_size=3)))
    batches = [shuffled[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(shuffled)], strict=True)]
    assert told(*batches) == told(*([event] for event in story)) == told(story)


@law
@given(stories(), st.data())
def test_it_does_not_matter_when_reference_data_come(story: list[Event], data: st.DataObject) -> None:
    deals = [event for event in story if event.is_deal]
    references = [event for event in story if not event.is_deal]
    direct = told(references, deals)
    assert told(deals, references) == direct
    late = data.draw(st.integers(0, len(deals)))
    assert told(deals[:late], references, deals[late:]) == direct


@law
@given(stories(), st.data())
def test_the_split_into_partitions_does_not_matter(story: list[Event], data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 3))
    home = {key: data.draw(st.integers(0, count - 1)) for key in {event.key for event in story if event.is_deal}}
    workers = [Worker() for _ in range(count)]
    for number, worker in enumerate(workers):
        own = [event for event in story if not event.is_deal or home[event.key] == number]
        worker.apply(data.draw(st.permutations(own)))
    assert ledger(workers) == told(story)


@law
@given(stories(), days, days, st.data())
def test_a_past_answer_is_what_was_answered_then(
    story: list[Event], until: date, known_at: date, data: st.DataObject
) -> None:
    then = told(learned_by(story, known_at))
    now = told(data.draw(st.permutations(story)))
    assert read(now, until, known_at) == read(then, until, date.max)


@law
@given(stories(), days, days)
def test_the_numbers_are_those_of_a_naive_calculation(story: list[Event], until: date, known_at: date) -> None:
    cells = told(story)
    assert read(cells, until, known_at) == oracle.totals(story, until, known_at)
    assert read(cells, date.max, date.max) == oracle.totals(story, date.max, date.max)


@law
@given(stories(), st.data())
def test_postings_make_what_a_direct_fold_owes(story: list[Event], data: st.DataObject) -> None:
    worker = Worker()
    for event in data.draw(st.permutations(story)):
        worker.apply([event])
    owed = told([event for event in story if not event.is_deal], [event for event in story if event.is_deal])
    assert ledger([worker]) == owed
    assert all(cell.known_on <= max(event.known_on for event in story) for cell in owed)


@law
@given(stories(), st.data())
def test_a_fold_since_a_day_posts_what_a_fold_of_the_whole_life_does(story: list[Event], data: st.DataObject) -> None:
    arriving = sorted(story, key=lambda event: event.known_on) if data.draw(st.booleans()) else story
    since, whole = Worker(), Worker(whole=True)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(arriving)), max_size=6)) | {0, len(arriving)})
    for start, stop in pairwise(cuts):
        since.apply(arriving[start:stop])
        whole.apply(arriving[start:stop])
        assert ledger([since]) == ledger([whole])
    target(float(since.resumed), label="folds that began later than at the beginning")


def test_what_is_learned_in_order_is_never_folded_from_its_beginning_again() -> None:
    days = [datetime(2026, 3, day, 9, tzinfo=UTC) for day in (2, 3, 4)]
    fields = ({"stage": "proposal"}, {"owner_id": "ann"}, {"stage": "won"})
    said = [Event("deal", "d", f"{at.day}", at, at.date(), told) for at, told in zip(days, fields, strict=True)]
    worker = Worker()
    for event in said:
        worker.apply([event])
    assert worker.resumed == 2


@law
@given(stories(), st.data())
def test_a_changed_formula_converges_on_the_next_fold(story: list[Event], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(story)))
    worker, fresh = Worker(mini.fold_counting_only), Worker()
    worker.apply(story[:cut])
    worker.fold_again(mini.fold)
    worker.apply(story[cut:])
    fresh.apply(story)
    assert ledger([worker]) == ledger([fresh])
