"""A story that befalls an org: its records change, and change events tell of it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from services.ingest.sources.payload import day, instant
from services.ingest.sources.salesforce.simulator import SIMULATOR
from services.ingest.sources.story import SimulatedDeal, Step, Thing, told
from tests.integration.sources.salesforce.bus import FakeBus
from tests.integration.sources.salesforce.fake import ORGANIZATION, FakeSalesforce

_TOLD = (
    "AccountId", "Name", "StageName", "Amount", "Probability", "CloseDate", "OwnerId", "CreatedDate", "LastModifiedDate"
)  # fmt: skip
_TIMES = ("CloseDate", "CreatedDate", "LastModifiedDate")


def org_settings(org: FakeSalesforce, url: str, **more: Any) -> dict[str, Any]:
    """How to reach the fake."""
    app = {"client_id": org.client[0], "client_secret": org.client[1], "login_url": url}
    return {"organization_id": ORGANIZATION, "currency": "USD", **app, **more}


def story(*, things: int, begin: datetime, span: timedelta) -> Sequence[Step]:
    """Deals of an org with one currency."""
    return [_in_dollars(step) for step in told("deals", seed=things, things=things, begin=begin, span=span)]


def _in_dollars(step: Step) -> Step:
    return replace(step, now=_dollars(step.now), before=step.before and _dollars(step.before))


def _dollars(deal: Thing) -> SimulatedDeal:
    assert isinstance(deal, SimulatedDeal)
    return replace(deal, currency="USD")


def record_of(step: Step) -> dict[str, Any]:
    """The record as it was last."""
    assert isinstance(step.now, SimulatedDeal)
    (shown,) = SIMULATOR.shown(replace(step.now, deleted=False))
    return {**shown.body, "Amount": float(step.now.amount)}


async def happens(org: FakeSalesforce, bus: FakeBus, step: Step) -> None:
    """The record is written, and the event that tells of it published."""
    assert isinstance(step.now, SimulatedDeal)
    record = record_of(step)
    others = [one for one in org.records.get("Opportunity", []) if one["Id"] != record["Id"]]
    org.records["Opportunity"] = [*others, record | {"IsDeleted": step.now.deleted}]
    fields = {name: _as_event(name, record[name]) for name in _TOLD}
    at = {"committed_at": int(step.at.timestamp() * 1000)}
    if step.now.deleted:
        await bus.publish("Opportunity", "DELETE", [record["Id"]], **at)
    elif step.before is None:
        await bus.publish("Opportunity", "CREATE", [record["Id"]], **at, **fields)
    else:
        before = record_of(Step(step.at, step.before))
        changed = {name: value for name, value in fields.items() if before[name] != record[name]}
        await bus.publish("Opportunity", "UPDATE", [record["Id"]], **at, **changed)


def _as_event(name: str, value: Any) -> Any:
    """Change events hold times in milliseconds."""
    if name not in _TIMES:
        return value
    when = instant(f"{day(value)}T00:00:00Z") if name == "CloseDate" else instant(value)
    return int(when.timestamp() * 1000)
