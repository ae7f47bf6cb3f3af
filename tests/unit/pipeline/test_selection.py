"""What cannot be asked for is told, each thing at its parameter."""

from datetime import date
from decimal import Decimal

import pytest

from services.pipeline.domain.selection import Selection
from services.pipeline.domain.stages import Outcome
from services.pipeline.wire import read_days
from tests.unit.pipeline.stories import company

PIPELINES = company().pipelines


def test_ended_deals_are_left_out_unless_asked_for() -> None:
    assert Selection().outcomes == (Outcome.OPEN, Outcome.WON, Outcome.LOST)
    assert Selection(outcome=(Outcome.ENDED,)).outcomes == (Outcome.ENDED,)


@pytest.mark.parametrize(
    ("selection", "where"),
    [
        (Selection(amount_min=Decimal(2), amount_max=Decimal(1)), "amount_max"),
        (Selection(created_from=date(2026, 1, 2), created_to=date(2026, 1, 1)), "created_to"),
        (Selection(expected_close_from=date(2026, 1, 2), expected_close_to=date(2026, 1, 1)), "expected_close_to"),
    ],
)
def test_a_range_that_ends_before_it_starts_is_refused(selection: Selection, where: str) -> None:
    assert [fault.where for fault in selection.range_faults()] == [where]


def test_a_range_of_one_day_is_a_range() -> None:
    day = date(2026, 1, 1)
    assert not list(Selection(created_from=day, created_to=day, amount_min=Decimal(0)).range_faults())


@pytest.mark.parametrize("stage", ["won", "lost", "unmapped", "proposal", "notice"])
def test_stages_of_any_pipeline_are_known(stage: str) -> None:
    assert not list(Selection(stage=(stage,)).name_faults(PIPELINES))


def test_a_stage_of_another_pipeline_is_refused_with_those_that_there_are() -> None:
    [fault] = Selection(stage=("notice",), pipeline=("default",)).name_faults(PIPELINES)
    assert fault.where == "stage"
    assert fault.reason == "must be one of prospecting, qualification, proposal, won, lost, unmapped"


@pytest.mark.parametrize(("text", "days"), [("P90D", 90), ("P2W", 14), ("P1W1D", 8), ("P0D", 0)])
def test_durations_are_read(text: str, days: int) -> None:
    assert read_days(text) == days


@pytest.mark.parametrize("text", ["P", "90", "P90", "P1M", "PT24H", "-P1D", "P1.5D", "P1D ", "P9999999D", "p1d", "P١D"])
def test_other_durations_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="ISO 8601"):
        read_days(text)
