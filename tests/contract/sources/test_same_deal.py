"""The same story, told by every CRM in its own words, makes the same canonical deals."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

from services.ingest.sources import ADAPTERS, simulator
from services.ingest.sources.story import told
from tests.contract.sources.cases import source_called
from tests.contract.sources.telling import Teller, account_of_source

BEGIN = datetime(2026, 3, 2, 9, tzinfo=UTC)
SAID_BY_ALL = ("amount", "expected_close_on")


def _deals(name: str) -> dict[int, dict[str, Any]]:
    """The last state of each deal by its number in the story, as far as every CRM says it."""
    source = source_called(name)
    telling = simulator(source.adapter)
    assert telling is not None
    teller = Teller(source, telling, account_of_source(source))
    steps = told("deals", seed=21, things=25, begin=BEGIN, span=timedelta(hours=9))
    by_number = sorted(steps, key=lambda step: (step.now.number, step.at))
    found = {}
    for number, group in groupby(by_number, key=lambda step: step.now.number):
        states = teller.states(list(group))
        (deal,) = (state for (entity, _), state in states.items() if entity == "deal")
        found[number] = _common(deal, source.adapter.card.stages)
    return found


def _common(deal: Mapping[str, Any], stages: Mapping[str, str]) -> dict[str, Any]:
    if deal.get("ended"):
        return {"ended": True}
    return {
        "ended": False,
        "stage": stages.get(str(deal["stage"]), deal["stage"]),
        **{name: deal.get(name) for name in SAID_BY_ALL},
    }


def test_every_crm_tells_the_same_deals() -> None:
    names = [name for name in ADAPTERS if (telling := simulator(ADAPTERS[name])) and telling.subject == "deals"]
    assert len(names) >= 10
    told_by = {name: _deals(name) for name in names}
    first = told_by[names[0]]
    assert len(first) == 25
    assert {name: deals for name, deals in told_by.items() if deals != first} == {}
