"""A deal's rectangles say, at every instant and as known on every day, what its life said."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise, product

from hypothesis import given
from hypothesis import strategies as st

from services.pipeline.domain.facts import Facts
from services.pipeline.domain.history import History, Rectangle, history, step
from services.pipeline.domain.stages import outcome_of
from services.pipeline.domain.visits import visits
from services.pipeline.packing import pack_end, unpack_end
from shared.kernel.journal import Assertion, Journal, Stamp, known, merge
from shared.sales import lookup
from shared.sales.company import Company
from shared.sales.deal import created_on, deal_life, deal_value
from shared.sales.references import Key, References, View
from tests.unit.pipeline.stories import START, Story, company, dates, instants, references, stories, zones


def read(journal: Journal, refs: References, told: Company, at: datetime, known_at: date) -> dict[str, object] | None:
    """The straight way: the life as known on that day, its state at that instant, its surroundings on that date."""
    view = View(refs, known_at)
    life = deal_life(known(journal, known_at), view, told)
    begun = [state for state in life if state.since <= at]
    if not begun:
        return None
    state, day = begun[-1], told.calendar.day(at)
    value = deal_value(state, view, state.day).amount
    rate = lookup.rate_of(view, value.currency, told.base_currency, state.day) if value else None
    seat = lookup.seat_of(view, state.said.text("owner_id"), day)
    return {
        "pipeline": state.pipeline,
        "stage": state.stage,
        "outcome": outcome_of(state).value,
        "amount": value.amount if value else None,
        "currency": value.currency if value else None,
        "base_value": value.amount * rate if value and rate else None,
        "owner_id": seat.member,
        "team": seat.team,
        "manager": seat.manager,
        "region": seat.region,
        "customer_id": lookup.survivor_of(view, state.said.text("customer_id"), day),
        "category": lookup.category_of(view, state.said.text("product_id"), day),
        "title": state.said.text("title"),
        "created_on": created_on(life),
    }


def found(rectangles: tuple[Rectangle, ...], at: datetime, known_at: date) -> Facts | None:
    """The only rectangle that holds then."""
    hits = [
        one.slice.facts
        for one in rectangles
        if one.known_from <= known_at
        and (one.known_until is None or known_at < one.known_until)
        and one.slice.start <= at
        and (one.slice.end is None or at < one.slice.end)
    ]
    assert len(hits) <= 1
    return hits[0] if hits else None


@given(stories(), zones, instants, dates)
def test_rectangles_say_what_the_life_says(story: Story, zone: str, at: datetime, known_at: date) -> None:
    told, refs = company(zone), references(story.references)
    facts = found(history(story.journal, refs, told).rectangles, at, known_at)
    expected = read(story.journal, refs, told, at, known_at)
    assert (facts is None) == (expected is None)
    if facts is not None and expected is not None:
        assert {name: getattr(facts, name) for name in expected} == expected


@given(stories(), zones, dates)
def test_a_past_answer_is_what_was_answered_then(story: Story, zone: str, known_at: date) -> None:
    told = company(zone)
    then = Story(
        tuple(one for one in story.deal if one.known_on <= known_at),
        tuple((key, one) for key, one in story.references if one.known_on <= known_at),
    )
    now = history(story.journal, references(story.references), told).rectangles
    before = history(then.journal, references(then.references), told).rectangles if then.deal else ()
    still = {
        one.slice
        for one in now
        if one.known_from <= known_at and (one.known_until is None or known_at < one.known_until)
    }
    assert still == {one.slice for one in before if one.known_until is None}


@given(stories(), zones, st.data())
def test_order_and_repetition_do_not_matter(story: Story, zone: str, data: st.DataObject) -> None:
    told = company(zone)
    shuffled = data.draw(st.permutations(story.deal + story.deal[:2]))
    cut = data.draw(st.integers(0, len(shuffled)))
    refs = references(data.draw(st.permutations(story.references + story.references[:2])))
    expected = history(story.journal, references(story.references), told)
    assert history(merge(merge((), shuffled[:cut]), shuffled[cut:]), refs, told) == expected


@given(stories(), zones)
def test_rectangles_are_as_large_as_they_can_be(story: Story, zone: str) -> None:
    """Equal neighbours, in time and in knowledge, are one: so equal knowledge gives equal rows."""
    rectangles = history(story.journal, references(story.references), company(zone)).rectangles
    assert len(set(rectangles)) == len(rectangles)
    for one, other in product(rectangles, repeat=2):
        if one.slice == other.slice:
            assert one.known_until != other.known_from
        if one is not other and one.slice.facts == other.slice.facts and one.slice.end == other.slice.start:
            overlap = (
                max(one.known_from, other.known_from),
                min(one.known_until or date.max, other.known_until or date.max),
            )
            assert overlap[0] >= overlap[1]


@given(stories(), zones)
def test_a_deal_asked_for_every_reference_that_it_depends_on(story: Story, zone: str) -> None:
    told, refs = company(zone), references(story.references)
    made = history(story.journal, refs, told)
    for key in {key for key, _ in story.references}:
        without = references([one for one in story.references if one[0] != key])
        if history(story.journal, without, told).rectangles != made.rectangles:
            assert key in made.asked


@given(stories(), stories(), zones)
def test_references_that_were_not_asked_for_change_nothing(story: Story, other: Story, zone: str) -> None:
    """Misses count as asked: so a reference that comes later finds the deals that would have read it."""
    told = company(zone)
    made = history(story.journal, references(story.references), told)
    more = [one for one in other.references if one[0] not in made.asked]
    assert history(story.journal, references([*story.references, *more]), told) == made


@given(stories(), zones, st.data())
def test_a_history_goes_on_as_if_all_had_been_told_at_once(story: Story, zone: str, data: st.DataObject) -> None:
    """Whatever the order and the parts."""
    goes_on(data.draw(tellings(story)), references(story.references), company(zone))


def goes_on(parts: list[Journal], refs: References, told: Company) -> None:
    """Its end is the same, the same rows stand, and the same transitions are new."""
    journal, *later = parts
    made = history(journal, refs, told)
    end, rows = made.end, {*made.rectangles}
    for part in later:
        heard, journal = journal, merge(journal, part)
        if len(heard) == len(journal):
            continue
        before, after = step(end, heard, journal, refs, told)
        assert before is not None
        gone, come = after.since(before)
        assert gone <= rows
        assert not gone & come
        rows = rows - gone | come
        whole = history(journal, refs, told)
        assert rows == {*whole.rectangles}
        assert len(rows) == len(whole.rectangles)
        assert new(before, after) == new(history(heard, refs, told), whole)
        end = after.end
        assert end == whole.end == end.end
        assert {*end.rectangles} <= rows


def tellings(story: Story) -> st.SearchStrategy[list[Journal]]:
    """All of a story in parts: in any order, or as it was learned, or as it happened."""
    orders = st.permutations(story.deal) | st.sampled_from(
        [
            sorted(story.deal, key=lambda one: one.known_on),
            sorted(story.deal, key=lambda one: (one.known_on, one.stamp)),
            list(story.journal),
        ]
    )
    cuts = st.sets(st.integers(1, len(story.deal) - 1)) if len(story.deal) > 1 else st.just(set())
    return st.builds(
        lambda order, places: [
            merge((), order[start:stop]) for start, stop in pairwise([0, *sorted(places), len(order)])
        ],
        orders,
        cuts,
    )


def new(before: History, after: History) -> list[tuple[object, ...]]:
    """The transitions that are told when one history becomes another."""
    told = {one.entry for one in visits(before.slices)}
    return [(one.entry, one.came_from, one.facts) for one in visits(after.slices) if one.entry not in told]


@given(stories(), stories(), zones, st.integers(1, 7))
def test_a_history_goes_on_after_references_that_it_did_not_ask_for(
    story: Story, other: Story, zone: str, count: int
) -> None:
    told = company(zone)
    heard = merge((), sorted(story.deal, key=lambda one: one.known_on)[:count])
    made = history(heard, references(story.references), told)
    refs = references([*story.references, *(one for one in other.references if one[0] not in made.asked)])
    assert step(made.end, heard, story.journal, refs, told).after.end == history(story.journal, refs, told).end


@given(stories(), zones)
def test_the_end_of_a_history_is_found_again_in_its_bytes(story: Story, zone: str) -> None:
    told = company(zone)
    end = history(story.journal, references(story.references), told).end
    for asked in (end.asked, end.asked | {Key("member", "max")}):
        assert unpack_end(pack_end(end, asked), story.journal, asked, told) == end


@given(
    stages=st.lists(st.sampled_from(["prospecting", "qualification", "proposal"]), min_size=2, max_size=9),
    one_day=st.booleans(),
)
def test_what_comes_after_all_that_was_known_is_read_on(stages: list[str], *, one_day: bool) -> None:
    """Else it would be right, but as slow as the life is long: the end of a history is as short as it was."""
    told = company()
    made: History | None = None
    journal: Journal = ()
    for hour, stage in enumerate(stages):
        learned = FIRST if one_day else FIRST + timedelta(days=hour)
        heard, journal = journal, merge(journal, [said(24 + hour, learned, stage=stage)])
        if made is not None:
            before, after = step(made.end, heard, journal, References(), told)
            assert before is not None
            assert len(before.rectangles) <= 2
            assert len(after.since(before).come) <= 3
            assert len(after.end.rectangles) <= 2
        made = history(journal, References(), told)


def said(hours: int, known_on: date, sequence: int = 0, **fields: object) -> Assertion:
    stamp = Stamp(START + timedelta(hours=hours), sequence, "/crm", f"{hours}-{sequence}")
    return Assertion(stamp, known_on, fields)


FIRST = START.date()


def test_a_stage_passed_through_in_no_time_is_kept_as_an_instant() -> None:
    told = [said(1, FIRST, number, stage=stage) for number, stage in enumerate(["prospecting", "proposal", "won"])]
    rows = [one.slice for one in history(merge((), told), References(), company()).rectangles]
    rows.sort(key=lambda one: one.facts.entered_sequence)
    at = START + timedelta(hours=1)
    assert [(one.start, one.end) for one in rows] == [(at, at), (at, at), (at, None)]
    assert [one.facts.stage for one in rows] == ["prospecting", "proposal", "won"]


def test_what_was_said_twice_at_one_instant_leaves_only_the_last_word() -> None:
    journal = merge((), [said(1, FIRST, 0, stage="proposal", title="A"), said(1, FIRST, 1, title="B")])
    [one] = history(journal, References(), company()).rectangles
    assert (one.slice.facts.title, one.slice.facts.entered_sequence) == ("B", 0)


def test_a_state_is_cut_at_the_company_midnight_when_its_team_changes() -> None:
    told = company("Asia/Shanghai")
    moved_on = FIRST + timedelta(days=3)
    refs = references(
        [
            (Key("member", "ann"), Assertion(Stamp(START, 0, "/hr", "1"), FIRST, {"unit_id": "north"})),
            (Key("member", "ann"), Assertion(Stamp(START, 0, "/hr", "2"), FIRST, {"unit_id": "south"}, since=moved_on)),
            (Key("organisation-unit", "north"), Assertion(Stamp(START, 0, "/hr", "3"), FIRST, {"kind": "team"})),
            (Key("organisation-unit", "south"), Assertion(Stamp(START, 0, "/hr", "4"), FIRST, {"kind": "team"})),
        ]
    )
    journal = merge((), [said(1, FIRST, owner_id="ann", amount={"amount": "5", "currency": "USD"})])
    first, second = sorted(one.slice for one in history(journal, refs, told).rectangles)
    assert first.end == second.start == datetime(2026, 3, 28, 16, tzinfo=UTC)
    assert (first.facts.team, second.facts.team) == ("north", "south")
    assert first.facts.entered_stage_at == second.facts.entered_stage_at


def test_a_state_that_ends_before_its_team_changes_is_not_cut() -> None:
    refs = references(
        [
            (Key("member", "ann"), Assertion(Stamp(START, 0, "/hr", "1"), FIRST, {"unit_id": "north"})),
            (
                Key("member", "ann"),
                Assertion(Stamp(START, 0, "/hr", "2"), FIRST, {"unit_id": "south"}, since=FIRST + timedelta(days=3)),
            ),
            (Key("organisation-unit", "north"), Assertion(Stamp(START, 0, "/hr", "3"), FIRST, {"kind": "team"})),
            (Key("organisation-unit", "south"), Assertion(Stamp(START, 0, "/hr", "4"), FIRST, {"kind": "team"})),
        ]
    )
    journal = merge((), [said(1, FIRST, owner_id="ann"), said(30, FIRST, owner_id="cy")])
    rows = sorted(one.slice for one in history(journal, refs, company()).rectangles)
    assert [(one.start, one.end, one.facts.team) for one in rows] == [
        (START + timedelta(hours=1), START + timedelta(hours=30), "north"),
        (START + timedelta(hours=30), None, None),
    ]


def test_what_ended_on_a_day_may_hold_again_at_its_end() -> None:
    """The event that ended the first stage turns out to have been another one; on the same day a third one ends it at
    the same instant after all. At the end of the day nothing had ever been in doubt."""
    later = FIRST + timedelta(days=1)
    first, ending = said(1, FIRST, stage="prospecting"), said(30, FIRST, stage="proposal")
    mended = Assertion(Stamp(START, 0, *ending.identity), later, {"stage": "qualification"}, revision=1)
    goes_on([(first, ending), (mended,), (said(30, later, 1, stage="won"),)], References(), company())
    rows = history(
        merge((), [first, ending, mended, said(30, later, 1, stage="won")]), References(), company()
    ).rectangles
    assert [one.known_from for one in rows if one.slice.facts.stage == "prospecting"] == [FIRST]


def test_the_day_of_creation_is_learned_for_the_whole_life() -> None:
    later = FIRST + timedelta(days=5)
    journal = merge((), [said(1, FIRST, title="A"), said(30, later, title="B", created_on="2026-01-05")])
    rows = history(journal, References(), company()).rectangles
    assert {(one.known_from, one.slice.facts.title, one.slice.facts.created_on.isoformat()) for one in rows} == {
        (FIRST, "A", "2026-03-26"),
        (later, "A", "2026-01-05"),
        (later, "B", "2026-01-05"),
    }


def test_a_day_that_a_zone_left_out_holds_nothing() -> None:
    """Samoa went from 29 to 31 December 2011."""
    told = company("Pacific/Apia")
    began = datetime(2011, 12, 20, tzinfo=UTC)
    units = [(None, "north"), (date(2011, 12, 30), "south"), (date(2011, 12, 31), "west")]
    refs = references(
        [
            (Key("member", "ann"), Assertion(Stamp(began, 0, "/hr", unit), FIRST, {"unit_id": unit}, since=since))
            for since, unit in units
        ]
        + [
            (Key("organisation-unit", unit), Assertion(Stamp(began, 0, "/hr", unit), FIRST, {"kind": "team"}))
            for _, unit in units
        ]
    )
    journal = merge((), [Assertion(Stamp(began, 0, "/crm", "1"), FIRST, {"owner_id": "ann"})])
    rows = sorted(one.slice for one in history(journal, refs, told).rectangles)
    assert [one.facts.team for one in rows] == ["north", "west"]
    assert rows[0].end == rows[1].start == datetime(2011, 12, 30, 10, tzinfo=UTC)


def test_a_deal_is_not_revalued_when_a_rate_changes_later() -> None:
    eur_usd = Key("exchange-rate", "spot:EUR/USD")
    later = FIRST + timedelta(days=2)
    refs = references(
        [
            (eur_usd, Assertion(Stamp(START, 0, "/bank", "1"), FIRST, {"rate": "1.25"})),
            (eur_usd, Assertion(Stamp(START, 0, "/bank", "2"), FIRST, {"rate": "2"}, since=later)),
        ]
    )
    journal = merge((), [said(1, FIRST, amount={"amount": "10", "currency": "EUR"})])
    [one] = history(journal, refs, company()).rectangles
    assert one.slice.facts.base_value == Decimal("12.5")


def test_a_rate_learned_later_converts_from_that_day_of_knowledge_on() -> None:
    refs = references(
        [
            (
                Key("exchange-rate", "spot:EUR/USD"),
                Assertion(Stamp(START, 0, "/bank", "1"), FIRST + timedelta(days=4), {"rate": "2"}),
            )
        ]
    )
    journal = merge((), [said(1, FIRST, amount={"amount": "10", "currency": "EUR"})])
    before, after = sorted(history(journal, refs, company()).rectangles, key=lambda one: one.known_from)
    assert (before.known_until, before.slice.facts.base_value) == (FIRST + timedelta(days=4), None)
    assert (after.known_from, after.slice.facts.base_value) == (FIRST + timedelta(days=4), Decimal(20))


def test_the_run_of_a_win_survives_another_pipeline() -> None:
    journal = merge((), [said(1, FIRST, stage="won"), said(2, FIRST, pipeline_id="renewals")])
    rows = [one.slice for one in history(journal, References(), company()).rectangles]
    assert {one.facts.entered_stage_at for one in rows} == {START + timedelta(hours=1)}
    assert [one.facts.pipeline for one in sorted(rows)] == ["default", "renewals"]


@given(stories())
def test_slices_known_on_one_day_follow_one_another_without_a_gap(story: Story) -> None:
    rows = [
        one.slice
        for one in history(story.journal, references(story.references), company()).rectangles
        if one.known_until is None
    ]
    lasting = sorted(one for one in rows if one.end != one.start)
    assert all(one.end == other.start for one, other in pairwise(lasting))
    assert lasting[-1].end is None
