"""What callers may ask with: parameters, read and checked. One that no route knows is refused, not passed over."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, get_args

from fastapi import Depends, Query, Request
from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

from services.pipeline.domain.selection import Missing, Moment, Selection, Sort, SortField
from services.pipeline.domain.stages import Outcome
from services.pipeline.queries.snapshot import Questions
from services.pipeline.wire import read_days
from shared.contracts.values import read_instant, year_reason
from shared.kernel.errors import Fault, InvalidInputError
from shared.kernel.ids import is_id


def _instant(text: object) -> datetime:
    try:
        return read_instant(str(text))
    except ValueError as error:
        raise ValueError(f"{error} (in a URL the plus sign is %2B)") from error


def _day(text: object) -> date:
    try:
        day = date.fromisoformat(str(text))
    except ValueError:
        raise ValueError("must be a date such as 2026-03-31") from None
    if reason := year_reason(day.isoformat()):
        raise ValueError(reason)
    return day


def _duration(text: object) -> int:
    return read_days(str(text))


def _name(text: str) -> str:
    if not is_id(text):
        raise ValueError("must be 1 to 255 printable characters without a blank at either end")
    return text


Instant = Annotated[datetime, BeforeValidator(_instant), WithJsonSchema({"type": "string", "format": "date-time"})]
Day = Annotated[date, BeforeValidator(_day), WithJsonSchema({"type": "string", "format": "date"})]
Days = Annotated[int, BeforeValidator(_duration), WithJsonSchema({"type": "string", "format": "duration"})]
Name = Annotated[str, AfterValidator(_name)]
Names = Annotated[list[Name] | None, Query(description="Repeat it to ask for any of several.")]
BaseAmount = Annotated[
    Decimal | None, Query(max_digits=21, decimal_places=6, description="In base currency, inclusive.")
]
Inclusive = Annotated[Day | None, Query(description="Business date, inclusive.")]


def questions_of(request: Request) -> Questions:
    """Put there by the composition root."""
    questions: Questions = request.app.state.questions
    return questions


Asking = Annotated[Questions, Depends(questions_of)]


@dataclass(frozen=True, slots=True)
class Asked:
    """The moment asked about, and what of it the caller said: an answer repeats only that."""

    moment: Moment
    said: dict[str, Any]


async def _asked(
    questions: Asking,
    at: Annotated[Instant | None, Query(description="The instant asked about, with an offset; absent: now.")] = None,
    known_at: Annotated[
        Day | None, Query(description="As known at the end of this business date; absent: all that is known.")
    ] = None,
) -> Asked:
    said = {name: value for name, value in (("at", at), ("known_at", known_at)) if value is not None}
    return Asked(Moment(at or questions.clock.now(), known_at), said)


At = Annotated[Asked, Depends(_asked)]


async def _selection(
    questions: Asking,
    *,
    pipeline: Names = None,
    stage: Names = None,
    outcome: Annotated[list[Outcome] | None, Query(description="Absent: open, won and lost.")] = None,
    owner: Names = None,
    team: Names = None,
    region: Names = None,
    customer: Names = None,
    product: Names = None,
    channel: Names = None,
    business_line: Names = None,
    missing: Annotated[list[Missing] | None, Query(description="Deals that lack all of these.")] = None,
    amount_min: BaseAmount = None,
    amount_max: BaseAmount = None,
    created_from: Inclusive = None,
    created_to: Inclusive = None,
    expected_close_from: Inclusive = None,
    expected_close_to: Inclusive = None,
    in_stage_longer_than: Annotated[
        Days | None, Query(description="ISO 8601, such as P90D: strictly more whole business days than that.")
    ] = None,
) -> Selection:
    selection = Selection(
        pipeline=tuple(pipeline or ()),
        stage=tuple(stage or ()),
        outcome=tuple(outcome or ()),
        owner=tuple(owner or ()),
        team=tuple(team or ()),
        region=tuple(region or ()),
        customer=tuple(customer or ()),
        product=tuple(product or ()),
        channel=tuple(channel or ()),
        business_line=tuple(business_line or ()),
        missing=tuple(missing or ()),
        amount_min=amount_min,
        amount_max=amount_max,
        created_from=created_from,
        created_to=created_to,
        expected_close_from=expected_close_from,
        expected_close_to=expected_close_to,
        in_stage_longer_than=in_stage_longer_than,
    )
    faults = [*selection.range_faults(), *selection.name_faults(questions.company.pipelines)]
    if faults:
        raise InvalidInputError("These deals cannot be asked for.", faults=faults)
    return selection


Selected = Annotated[Selection, Depends(_selection)]


async def _sort(
    sort: Annotated[
        str, Query(description=f"One of {', '.join(get_args(SortField))}; a minus before it: descending.")
    ] = "id",
) -> Sort:
    field = sort.removeprefix("-")
    for known in get_args(SortField):
        if field == known:
            return Sort(known, descending=sort.startswith("-"))
    reason = f"must be one of {', '.join(get_args(SortField))}, or one of them with a minus before it"
    raise InvalidInputError("There is no such order.", faults=[Fault("sort", reason)])


Sorted = Annotated[Sort, Depends(_sort)]
