"""Contract ↔ domain: facts for `pipeline-events`, rows of the table, bodies of answers. Pure."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, TypedDict

import msgspec

from services.pipeline.domain.facts import Facts
from services.pipeline.domain.slices import Slice
from services.pipeline.domain.stages import Outcome, days_between
from services.pipeline.domain.visits import TimeInStage, Visit
from shared.contracts.records import Fact
from shared.kernel.ids import derived_id
from shared.kernel.money import EXACT, plain
from shared.sales.company import LOST, UNMAPPED, WON, Company, Pipelines
from shared.storage.outbox import Message, telling

STAGE_CHANGED = "io.quintant.deal.stage-changed.v1"
SOURCE = "/quintant/pipeline"
TOPIC = "pipeline-events"

EDGE = Decimal("1e-6")
"""Amounts in base currency are rounded once, here, half-even, to as many digits as an accepted amount may have."""

_DURATION = re.compile(r"P(?:(?P<weeks>[0-9]{1,5})W)?(?:(?P<days>[0-9]{1,6})D)?")


class MoneyBody(TypedDict):
    """Money as it travels."""

    amount: str
    currency: str


def read_days(text: str) -> int:
    """Whole days of an ISO 8601 duration such as P90D or P2W. Raises ValueError with the reason."""
    match = _DURATION.fullmatch(text)
    if match is None or not any(match.groups()):
        raise ValueError("must be an ISO 8601 duration in whole weeks and days such as P90D")
    return int(match["weeks"] or 0) * 7 + int(match["days"] or 0)


def stage_changed(deal: str, visit: Visit) -> Message:
    """The fact that a deal came into another stage. The same transition has the same id whenever it is told."""
    facts, entry = visit.facts, visit.entry
    body = {
        "deal_id": deal,
        "pipeline": facts.pipeline,
        "from": visit.came_from,
        "to": _place(facts.outcome, facts.stage),
        "outcome": facts.outcome,
        "amount": money(facts.amount, facts.currency),
        "estimated": facts.estimated,
        "event": {"source": entry.source, "id": entry.event_id},
        "known_on": entry.known_on.isoformat(),
    }
    fact = Fact(
        type=STAGE_CHANGED,
        source=SOURCE,
        id=derived_id(deal, entry.source, entry.event_id, facts.pipeline, facts.stage, facts.outcome),
        subject=deal,
        time=entry.at,
        data=msgspec.json.encode(body),
    )
    return telling(TOPIC, fact)


def _place(outcome: str, stage: str) -> str | None:
    """An ended deal is in no stage."""
    return None if outcome == Outcome.ENDED else stage


def money(amount: Decimal | None, currency: str | None) -> MoneyBody | None:
    """Money for an answer, or None if there is none."""
    if amount is None or currency is None:
        return None
    return {"amount": plain(amount.quantize(EDGE, context=EXACT)), "currency": currency}


def facts_of(row: Mapping[str, Any]) -> Facts:
    """The facts of a row."""
    return Facts(*(row[name] for name in Facts._fields))


def slice_of(row: Mapping[str, Any]) -> Slice:
    """The slice of a row."""
    return Slice(row["valid_from"], row["valid_until"], facts_of(row))


def deal_body(deal: str, facts: Facts, company: Company, at: datetime) -> dict[str, Any]:
    """One deal as it was at an instant."""
    return {
        "id": deal,
        "title": facts.title,
        "pipeline": facts.pipeline,
        "stage": facts.stage,
        "outcome": facts.outcome,
        "amount": money(facts.amount, facts.currency),
        "value": money(facts.base_value, company.base_currency),
        "estimated": facts.estimated,
        "owner_id": facts.owner_id,
        "team": facts.team,
        "manager": facts.manager,
        "region": facts.region,
        "customer_id": facts.customer_id,
        "product_id": facts.product_id,
        "category": facts.category,
        "channel_id": facts.channel_id,
        "business_line": facts.business_line,
        "created_on": facts.created_on,
        "expected_close_on": facts.expected_close_on,
        "entered_stage_at": facts.entered_stage_at,
        "days_in_stage": days_between(company.calendar, facts.entered_stage_at, at),
    }


def visit_body(visit: Visit) -> dict[str, Any]:
    """One line of a deal's timeline: a transition."""
    facts, entry = visit.facts, visit.entry
    return {
        "from": visit.came_from,
        "to": _place(facts.outcome, facts.stage),
        "pipeline": facts.pipeline,
        "outcome": facts.outcome,
        "at": entry.at,
        "known_on": entry.known_on,
        "event": {"source": entry.source, "id": entry.event_id},
        "amount": money(facts.amount, facts.currency),
        "estimated": facts.estimated,
    }


def time_body(one: TimeInStage) -> dict[str, Any]:
    """How long a deal was in one stage."""
    return {"pipeline": one.pipeline, "stage": one.stage, "duration": one.time, "days": one.days}


class Sums(msgspec.Struct, frozen=True):
    """What stands in one stage of one pipeline."""

    pipeline: str
    stage: str
    outcome: str
    count: int = 0
    value: Decimal = Decimal(0)
    """In base currency, of the deals that have one."""
    estimated: int = 0
    unconverted: int = 0
    """With an amount, but no rate yet."""
    unvalued: int = 0
    """With no amount, neither said nor from a price list."""


def funnel_body(sums: Sequence[Sums], company: Company, asked: Sequence[str]) -> list[dict[str, Any]]:
    """Every pipeline asked for with all its stages, empty ones too; of other pipelines what there is."""
    pipelines = list(dict.fromkeys([*asked, *sorted({one.pipeline for one in sums})]))
    return [_funnel(name, [one for one in sums if one.pipeline == name], company) for name in pipelines]


def _funnel(pipeline: str, sums: Sequence[Sums], company: Company) -> dict[str, Any]:
    found = {one.stage: one for one in sums if one.outcome != Outcome.ENDED}
    configured = company.pipelines.stages.get(pipeline, ())
    unmapped = found.get(UNMAPPED)

    def body(stage: str) -> dict[str, Any]:
        return _sums_body(found.get(stage) or Sums(pipeline, stage, ""), company)

    return {
        "pipeline": pipeline,
        "stages": [{"stage": stage, **body(stage)} for stage in configured],
        **({"unmapped": body(UNMAPPED)} if unmapped else {}),
        "open": _sums_body(total([one for one in found.values() if one.outcome == Outcome.OPEN]), company),
        "won": body(WON),
        "lost": body(LOST),
    }


def total(sums: Sequence[Sums]) -> Sums:
    """All of them together."""
    value = Decimal(0)
    for one in sums:
        value = EXACT.add(value, one.value)
    return Sums(
        "",
        "",
        "",
        sum(one.count for one in sums),
        value,
        sum(one.estimated for one in sums),
        sum(one.unconverted for one in sums),
        sum(one.unvalued for one in sums),
    )


def _sums_body(one: Sums, company: Company) -> dict[str, Any]:
    return {
        "count": one.count,
        "value": money(one.value, company.base_currency),
        "estimated": one.estimated,
        "unconverted": one.unconverted,
        "unvalued": one.unvalued,
    }


def pipelines_body(pipelines: Pipelines) -> list[dict[str, Any]]:
    """The configured pipelines, each with its stages in order; won and lost close every one."""
    return [
        {
            "pipeline": name,
            "stages": [
                *({"stage": stage, "rank": rank, "outcome": Outcome.OPEN} for rank, stage in enumerate(stages)),
                {"stage": WON, "rank": len(stages), "outcome": Outcome.WON},
                {"stage": LOST, "rank": None, "outcome": Outcome.LOST},
            ],
        }
        for name, stages in pipelines.stages.items()
    ]
