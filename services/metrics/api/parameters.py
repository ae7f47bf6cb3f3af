"""What callers may ask with: parameters, read and checked. One that no route knows is refused, not passed over."""

from datetime import date, datetime
from typing import Annotated

from fastapi import Depends, Query, Request
from pydantic import BeforeValidator, WithJsonSchema

from services.metrics.domain.durations import read_days
from services.metrics.domain.inquiry import Asked, Inquiry, Member, Related, View, inquire
from services.metrics.domain.kpis import CATALOGUE
from services.metrics.domain.kpis.declaration import Kpi
from services.metrics.domain.spans import Compare
from services.metrics.queries.snapshot import Questions
from shared.kernel.errors import Fault, InvalidInputError, NotFoundError
from shared.kernel.ids import is_id
from shared.kernel.period import Calendar, Grain

MISSING = "none"
"""How a filter names those without a value."""


def _moment(text: object) -> date | datetime:
    """A business date, or an instant with an offset."""
    said = str(text)
    try:
        return date.fromisoformat(said) if len(said) == len("2026-03-31") else _instant(said)
    except ValueError:
        reason = "must be a date such as 2026-03-31, or a time with an offset (in a URL the plus sign is %2B)"
        raise ValueError(reason) from None


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError(text)
    return instant


Moment = Annotated[
    date | datetime,
    BeforeValidator(_moment),
    WithJsonSchema({"type": "string", "format": "date", "description": "Business date; a time falls on its own."}),
]
Days = Annotated[
    int, BeforeValidator(lambda text: read_days(str(text))), WithJsonSchema({"type": "string", "format": "duration"})
]


def questions_of(request: Request) -> Questions:
    """Put there by the composition root."""
    questions: Questions = request.app.state.questions
    return questions


Asking = Annotated[Questions, Depends(questions_of)]


def business_date(moment: date | datetime | None, calendar: Calendar) -> date | None:
    """The date itself, or the company's date at that instant."""
    return calendar.day(moment) if isinstance(moment, datetime) else moment


async def _known_at(
    questions: Asking,
    known_at: Annotated[
        Moment | None, Query(description="As known at the end of this business date; absent: all that is known.")
    ] = None,
) -> date | None:
    return business_date(known_at, questions.company.calendar)


KnownAt = Annotated[date | None, Depends(_known_at)]


async def _slice(
    questions: Asking,
    known_at: KnownAt,
    *,
    start: Annotated[Moment | None, Query(alias="from", description="First day; absent: all history.")] = None,
    end: Annotated[Moment | None, Query(alias="to", description="Last day, inclusive; absent: all there is.")] = None,
    filter_: Annotated[
        list[str] | None,
        Query(
            alias="filter",
            description=f"<dimension>:<value>; `{MISSING}` for those without one. Values of one dimension add up.",
        ),
    ] = None,
    view: Annotated[View, Query(alias="currency-view")] = View.BASE,
    basis: Annotated[str | None, Query(description="Which documents count, where a KPI leaves the choice.")] = None,
    related: Annotated[Related, Query(description="Whether intercompany customers count.")] = Related.EXCLUDE,
    window: Annotated[
        Days | None, Query(description="ISO 8601, such as P90D: how far a rolling part reaches back.")
    ] = None,
) -> Asked:
    calendar = questions.company.calendar
    return Asked(
        start=business_date(start, calendar),
        end=business_date(end, calendar),
        where=read_filters(filter_ or ()),
        known_at=known_at,
        view=view,
        basis=basis,
        related=related,
        window=window,
    )


SliceAsked = Annotated[Asked, Depends(_slice)]


async def _series(
    asked: SliceAsked,
    by: Annotated[list[str] | None, Query(description="Dimensions, separated by commas or repeated.")] = None,
    grain: Annotated[Grain | None, Query(description="Absent: one number for the whole range.")] = None,
    compare: Annotated[Compare | None, Query(description="Set each row beside another period.")] = None,
) -> Asked:
    dimensions = tuple(name for names in by or () for name in names.split(","))
    return Asked(
        asked.start, asked.end, grain, dimensions, asked.where, asked.known_at, compare, asked.view, asked.basis,
        asked.related, asked.window,
    )  # fmt: skip


SeriesAsked = Annotated[Asked, Depends(_series)]


def read_filters(filters: "list[str] | tuple[str, ...]") -> dict[str, tuple[Member, ...]]:
    """`team:east`, `team:none` → {"team": ("east", None)}."""
    where: dict[str, tuple[Member, ...]] = {}
    for text in filters:
        name, colon, value = text.partition(":")
        if not colon or not is_id(value):
            raise InvalidInputError(
                "A filter cannot be read.", faults=[Fault("filter", f"must be <dimension>:<value> or :{MISSING}")]
            )
        member = None if value == MISSING else value
        where[name] = tuple(dict.fromkeys((*where.get(name, ()), member)))
    return where


def kpi_of(slug: str) -> Kpi:
    """Raises NotFoundError."""
    kpi = CATALOGUE.get(slug)
    if kpi is None:
        raise NotFoundError("There is no such KPI: GET /v1/kpis lists them.")
    return kpi


def inquiry_of(slug: str, asked: Asked, questions: Questions) -> Inquiry:
    """A checked question. Raises NotFoundError and InvalidInputError."""
    kpi = kpi_of(slug)
    return inquire(kpi, asked, default_basis=questions.receivable_basis if kpi.basis_setting else "")
