"""A made-up story as HubSpot's webhooks tell it: one notice for each property, in one signed array a step."""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from services.ingest.sources.adapter import Account
from services.ingest.sources.story import Shown, Signed, SimulatedDeal, Step, Subject, Thing
from shared.contracts.values import write_instant
from shared.kernel.errors import InvalidInputError
from shared.kernel.money import plain

_STAGES = {
    "prospecting": "appointmentscheduled",
    "qualification": "qualifiedtobuy",
    "needs-analysis": "presentationscheduled",
    "solution-presentation": "decisionmakerboughtin",
    "proposal-negotiation": "contractsent",
    "won": "closedwon",
    "lost": "closedlost",
}
_PORTAL, _APP, _OWNERS, _COMPANIES = 33, 1160452, 45_670, 9_000


class HubspotSimulator:
    """Tells deals."""

    subject: Subject = "deals"

    def deliveries(self, step: Step, account: Account, sent_at: datetime) -> Sequence[Signed]:
        """One request a step. Raises InvalidInputError without the target URL, which HubSpot's signature covers."""
        target: str = account.settings.target_url or account.url
        if not target:
            raise InvalidInputError("HubSpot signs the URL: set target_url to the one that the story is to be sent to.")
        body = msgspec.json.encode(
            [
                {
                    "eventId": step.now.number * 100 + place,
                    "subscriptionId": 25 + place,
                    "portalId": int(account.settings.portal_id or _PORTAL),
                    "appId": _APP,
                    "occurredAt": int(step.at.timestamp() * 1000),
                    "attemptNumber": 0,
                    "changeSource": "CRM_UI",
                    "sourceId": "userId:45678",
                    **entry,
                }
                for place, entry in enumerate(_entries(step))
            ]
        )
        return [Signed(signed(account.secrets[0], target, body, sent_at), body)]

    def shown(self, thing: Thing) -> Sequence[Shown]:
        """The deal of a batch."""
        deal = _deal(thing)
        if deal.deleted:
            return []
        primary = {"category": "HUBSPOT_DEFINED", "typeId": 5, "label": "Primary"}
        body = {
            "id": str(deal.number),
            "properties": {**_properties(deal), "createdate": write_instant(deal.created_at)},
            "createdAt": write_instant(deal.created_at),
            "updatedAt": write_instant(deal.changed_at),
            "archived": False,
            "associations": {"companies": [{"toObjectId": _COMPANIES + deal.customer, "associationTypes": [primary]}]},
        }
        return [Shown("deals", str(deal.number), body)]


def signed(secret: str, url: str, body: bytes, sent_at: datetime, method: str = "POST") -> dict[str, str]:
    """The headers of a delivery: v3, and v1 as it is still sent beside it."""
    stamp = str(int(sent_at.timestamp() * 1000))
    digest = hmac.digest(secret.encode(), f"{method}{url}".encode() + body + stamp.encode(), "sha256")
    return {
        "content-type": "application/json",
        "x-hubspot-signature-v3": base64.b64encode(digest).decode(),
        "x-hubspot-request-timestamp": stamp,
        "x-hubspot-signature": hashlib.sha256(secret.encode() + body).hexdigest(),
        "x-hubspot-signature-version": "v1",
    }


def _entries(step: Step) -> list[dict[str, Any]]:
    deal = _deal(step.now)
    if deal.deleted:
        return [{"subscriptionType": "deal.deletion", "objectId": deal.number, "changeFlag": "DELETED"}]
    before = {} if step.before is None else _properties(_deal(step.before))
    changed = [(name, value) for name, value in _properties(deal).items() if before.get(name) != value]
    entries: list[dict[str, Any]] = [
        {
            "subscriptionType": "deal.propertyChange",
            "objectId": deal.number,
            "propertyName": name,
            "propertyValue": _millis(deal) if name == "closedate" else value,
        }
        for name, value in changed
    ]
    return entries if step.before else [*_born(deal), *entries]


def _born(deal: SimulatedDeal) -> list[dict[str, Any]]:
    return [
        {"subscriptionType": "deal.creation", "objectId": deal.number, "changeFlag": "CREATED"},
        {
            "subscriptionType": "deal.associationChange",
            "associationType": "DEAL_TO_COMPANY",
            "fromObjectId": deal.number,
            "toObjectId": _COMPANIES + deal.customer,
            "associationRemoved": False,
            "isPrimaryAssociation": True,
        },
    ]


def _properties(deal: SimulatedDeal) -> dict[str, str]:
    return {
        "dealname": deal.title,
        "pipeline": "default",
        "dealstage": _STAGES[deal.stage],
        "amount": plain(deal.amount),
        "deal_currency_code": deal.currency,
        "closedate": f"{deal.close_on.isoformat()}T12:00:00Z",
        "hubspot_owner_id": str(_OWNERS + deal.owner),
    }


def _millis(deal: SimulatedDeal) -> str:
    """Webhooks write the same time in milliseconds."""
    return str(int(datetime.fromisoformat(_properties(deal)["closedate"]).timestamp() * 1000))


def _deal(thing: Thing) -> SimulatedDeal:
    assert isinstance(thing, SimulatedDeal)  # noqa: S101 - a story of deals holds nothing else
    return thing


SIMULATOR = HubspotSimulator()
