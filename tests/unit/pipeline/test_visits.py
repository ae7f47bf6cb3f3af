"""The timeline told from stored slices is the one that the life tells, and its times add up."""

from datetime import date, datetime, timedelta

from hypothesis import given

from services.pipeline.domain.history import Slice, history
from services.pipeline.domain.stages import transitions
from services.pipeline.domain.visits import slice_at, time_in_stages, visits
from shared.kernel.journal import known
from shared.sales.company import Company
from shared.sales.deal import deal_life
from shared.sales.references import View
from tests.unit.pipeline.stories import START, Story, company, dates, instants, law, references, stories, zones

FOR_EVER = START + timedelta(days=10_000)


def slices_of(story: Story, told: Company, known_at: date) -> list[Slice]:
    return [
        one.slice
        for one in history(story.journal, references(story.references), told).rectangles
        if one.known_from <= known_at and (one.known_until is None or known_at < one.known_until)
    ]


@law
@given(stories(), zones, dates)
def test_visits_are_the_transitions_of_the_life(story: Story, zone: str, known_at: date) -> None:
    told = company(zone)
    view = View(references(story.references), known_at)
    assertions = known(story.journal, known_at)
    life = deal_life(assertions, view, told)
    expected = [
        (one.entry, one.came_from, one.pipeline, one.stage, one.outcome) for one in transitions(assertions, life, view)
    ]
    found = [
        (one.entry, one.came_from, one.facts.pipeline, one.facts.stage, one.facts.outcome)
        for one in visits(slices_of(story, told, known_at), FOR_EVER)
    ]
    assert found == expected


@law
@given(stories(), zones, instants)
def test_times_in_open_stages_add_up_to_the_time_that_the_deal_was_open(
    story: Story, zone: str, until: datetime
) -> None:
    told = company(zone)
    slices = slices_of(story, told, date.max)
    made = visits(slices, until)
    spent = sum((one.time for one in time_in_stages(made, until, told.calendar)), start=timedelta())
    expected = sum(
        (
            min(one.end or until, until) - one.start
            for one in slices
            if one.facts.outcome == "open" and one.start < until
        ),
        start=timedelta(),
    )
    assert spent == expected


@law
@given(stories(), instants)
def test_a_visit_ends_where_the_next_begins(story: Story, until: datetime) -> None:
    made = visits(slices_of(story, company(), date.max), until)
    assert all(one.entry.at <= until for one in made)
    assert [one.left_at for one in made] == [*(one.entry.at for one in made[1:]), *([None] if made else [])]


@law
@given(stories(), instants)
def test_the_present_slice_is_the_last_visit(story: Story, at: datetime) -> None:
    slices = slices_of(story, company(), date.max)
    present, made = slice_at(slices, at), visits(slices, at)
    assert (present is None) == (not made)
    if present is not None:
        assert present.facts.entered_stage_at == made[-1].entry.at
