"""A made-up story as Zoho CRM would tell it: notifications with all values of a deal, and what its API shows."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from services.ingest.sources.adapter import Account
from services.ingest.sources.story import Shown, Signed, SimulatedDeal, Step, Subject, Thing, customer_name
from services.ingest.sources.zoho.settings import DEALS, channel_of

_STAGES = {
    "prospecting": "prospecting",
    "qualification": "Qualification",
    "needs-analysis": "Needs Analysis",
    "solution-presentation": "Value Proposition",
    "proposal-negotiation": "Negotiation/Review",
    "won": "Closed Won",
    "lost": "Closed Lost",
}
"""Zoho's own pipeline has no stage before qualification: the simulated one is called as ours."""
_encode = msgspec.json.Encoder(decimal_format="number").encode
_ORGANISATION = 6_756_839_000_000_000_000


class ZohoSimulator:
    """Tells deals."""

    subject: Subject = "deals"

    def deliveries(self, step: Step, account: Account, sent_at: datetime) -> Sequence[Signed]:
        """One notification a step."""
        del sent_at
        deal = _deal(step.now)
        values = _values(deal)
        before = _values(_deal(step.before)) if step.before else {}
        changed = {name: value for name, value in values.items() if before.get(name) != value}
        if "Amount" in changed:  # so that an account without several currencies understands the story's
            changed["Currency"] = values["Currency"]
        operation = "delete" if deal.deleted else "update" if step.before else "insert"
        told = {} if deal.deleted else changed
        body = {
            "server_time": int(step.at.timestamp() * 1000),
            "affected_values": [{"record_id": _id(deal), "values": told}] if told else [],
            "query_params": {},
            "module": DEALS,
            "resource_uri": f"{account.settings.api_url}/crm/v8/{DEALS}",
            "ids": [_id(deal)],
            "affected_fields": [{_id(deal): list(told)}] if told else [],
            "operation": operation,
            "channel_id": channel_of(account),
            "token": account.secrets[0],
        }
        return [Signed({"content-type": "application/json"}, _encode(body))]

    def shown(self, thing: Thing) -> Sequence[Shown]:
        """The record of the REST API."""
        deal = _deal(thing)
        return [] if deal.deleted else [Shown(DEALS, _id(deal), {"id": _id(deal), **_values(deal)})]


def _values(deal: SimulatedDeal) -> dict[str, object]:
    customer = {"id": str(_ORGANISATION + 1000 + deal.customer), "name": customer_name(deal.customer)}
    return {
        "Deal_Name": deal.title,
        "Account_Name": customer,
        "Owner": {"id": str(_ORGANISATION + deal.owner)},
        "Stage": _STAGES[deal.stage],
        "Amount": deal.amount,
        "Currency": deal.currency,
        "Closing_Date": deal.close_on.isoformat(),
        "Pipeline": "Standard (Standard)",
        "Created_Time": _seconds(deal.created_at),
        "Modified_Time": _seconds(deal.changed_at),
    }


def _deal(thing: Thing) -> SimulatedDeal:
    assert isinstance(thing, SimulatedDeal)  # noqa: S101 - a story of deals holds nothing else
    return thing


def _id(deal: SimulatedDeal) -> str:
    return str(_ORGANISATION + 1_000_000_000 + deal.number)


def _seconds(when: datetime) -> str:
    return when.replace(microsecond=0).isoformat()


SIMULATOR = ZohoSimulator()
