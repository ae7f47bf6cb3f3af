"""The open pipeline weighed with probabilities out of the company's own history, and its scenarios."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from services.forecast.domain.calibration import judge, places_without_skill
from services.forecast.domain.scenarios import Scenarios, pipeline_scenarios
from services.forecast.domain.standing import Standing, closed_deal
from services.forecast.domain.weighted import OpenDeal, WeightedPipeline, weigh
from services.forecast.domain.winning import Place, Rules, WinRates, learn
from shared.kernel.money import Money

_EVENINGS = 6
_STEP = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class PipelineOutlook:
    """What the open pipeline is worth, with the rates behind it. `estimated` deals were valued from the price list."""

    pipeline: WeightedPipeline
    scenarios: Scenarios
    rates: WinRates
    estimated: int


def pipeline_outlook(
    deals: Collection[Standing], configured: Mapping[Place, Decimal], *, as_of: date, currency: str
) -> PipelineOutlook:
    """Weigh every open deal. Age is used only where it told more than the stage's rate on deals not seen before."""
    closed = [deal for one in deals if (deal := closed_deal(one)) is not None]
    rules = Rules()
    evenings = [as_of - _STEP * back for back in range(1, _EVENINGS + 1)]
    judged = judge(closed, rules, said_on=evenings, as_of=as_of)
    rates = learn(closed, rules, as_of=as_of)
    told = {one.place for one in judged}
    ageless = places_without_skill(judged) | (rates.stages.keys() - told)
    rates = rates.without_age(ageless)
    pipeline = weigh(
        (_open(one, as_of, currency) for one in deals if one.outcome == "open"),
        lambda deal: rates.probability(deal.place, deal.age_days, configured),
        currency,
    )
    scenarios = pipeline_scenarios(pipeline.deals, Money(Decimal(0), currency))
    estimated = sum(one.estimated for one in deals if one.outcome == "open")
    return PipelineOutlook(pipeline, scenarios, rates, estimated)


def _open(one: Standing, as_of: date, currency: str) -> OpenDeal:
    amount = None if one.value is None else Money(one.value, currency)
    return OpenDeal(one.deal, one.place, (as_of - one.entered_on).days, amount)
