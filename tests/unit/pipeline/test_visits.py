"""The timeline told from stored slices is the one that the life tells, and its times add up."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from hypothesis import given

from services.pipeline.domain.history import history
from services.pipeline.domain.slices import Slice
from services.pipeline.domain.stages import Entry, Outcome, outcome_of
from services.pipeline.domain.visits import slice_at, time_in_stages, visits
from shared.kernel.journal import Assertion, known
from shared.sales.company import Company
from shared.sales.deal import DealState, closing, deal_life
from shared.sales.references import View
from tests.unit.pipeline.stories import START, Story, company, dates, instants, references, stories, zones

FOR_EVER = START + timedelta(days=10_000)


def slices_of(story: Story, told: Company, known_at: date) -> list[Slice]:
    return [
        one.slice
        for one in history(story.journal, references(story.references), told).rectangles
        if one.known_from <= known_at and (one.known_until is None or known_at < one.known_until)
    ]


Transition = tuple[Entry, str | None, str, str, str]


def transitions(assertions: Sequence[Assertion], life: Sequence[DealState]) -> list[Transition]:
    """The straight way: every change of stage, pipeline or outcome; what is closed stays so under another pipeline."""
    found: list[Transition] = []
    before: DealState | None = None
    for one, state in zip(assertions, life, strict=True):
        outcome = outcome_of(state)
        moved = before is None or outcome_of(before) is not outcome
        if before is not None and outcome is Outcome.OPEN:
            moved = moved or (before.pipeline, before.stage) != (state.pipeline, state.stage)
        if moved:
            came_from = found[-1][3] if found and found[-1][4] != Outcome.ENDED else None
            found.append((Entry(*one.stamp, one.known_on), came_from, state.pipeline, state.stage, outcome))
        before = state
    return found


@given(stories(), zones, dates)
def test_visits_are_the_transitions_of_the_life(story: Story, zone: str, known_at: date) -> None:
    told = company(zone)
    assertions = known(story.journal, known_at)
    life = deal_life(assertions, View(references(story.references), known_at), told)
    found = [
        (one.entry, one.came_from, one.facts.pipeline, one.facts.stage, one.facts.outcome)
        for one in visits(slices_of(story, told, known_at))
    ]
    assert found == transitions(assertions, life)


@given(stories())
def test_a_win_or_loss_was_entered_where_it_closed(story: Story) -> None:
    """The same day as everybody else counts it for."""
    life = deal_life(known(story.journal, date.max), View(references(story.references), date.max), company())
    closed = closing(life)
    if closed is not None:
        assert visits(slices_of(story, company(), date.max))[-1].entry.at == closed.since


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


@given(stories(), instants)
def test_a_visit_ends_where_the_next_begins(story: Story, until: datetime) -> None:
    made = visits(slices_of(story, company(), date.max), until)
    assert all(one.entry.at <= until for one in made)
    assert [one.left_at for one in made] == [*(one.entry.at for one in made[1:]), *([None] if made else [])]


@given(stories(), instants)
def test_the_present_slice_is_the_last_visit(story: Story, at: datetime) -> None:
    slices = slices_of(story, company(), date.max)
    present, made = slice_at(slices, at), visits(slices, at)
    assert (present is None) == (not made)
    if present is not None:
        assert present.facts.entered_stage_at == made[-1].entry.at
