"""A made-up story as the webhooks of an ERPNext would send it."""

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from services.ingest.sources.adapter import Account
from services.ingest.sources.story import Shown, Signed, SimulatedDeal, Step, Subject, Thing

_STAGES = {
    "prospecting": "Prospecting",
    "qualification": "Qualification",
    "needs-analysis": "Needs Analysis",
    "solution-presentation": "Value Proposition",
    "proposal-negotiation": "Proposal/Price Quote",
    "won": "Negotiation/Review",
    "lost": "Negotiation/Review",
}
_STATUS = {"won": "Converted", "lost": "Lost"}


class FrappeSimulator:
    """Tells opportunities."""

    subject: Subject = "deals"

    def deliveries(self, step: Step, account: Account, sent_at: datetime) -> Sequence[Signed]:
        """One request a step."""
        del sent_at
        doc = _doc(_deal(step.now), ZoneInfo(account.settings.time_zone))
        if _deal(step.now).deleted:
            doc = {name: doc[name] for name in ("doctype", "name", "modified")} | {"event": "on_trash"}
        body = json.dumps(doc).encode()
        return [Signed(signed(account.secrets[0], body), body)]

    def shown(self, thing: Thing) -> Sequence[Shown]:
        """The document as /api/resource answers it, of a site in UTC."""
        deal = _deal(thing)
        doc = _doc(deal, ZoneInfo("UTC"))
        return [] if deal.deleted else [Shown("Opportunity", doc["name"], doc)]


def signed(secret: str, body: bytes) -> dict[str, str]:
    """The headers of a delivery."""
    digest = hmac.new(secret.encode(), body, hashlib.sha256).digest()
    return {"content-type": "application/json", "x-frappe-webhook-signature": base64.b64encode(digest).decode()}


def _deal(thing: Thing) -> SimulatedDeal:
    assert isinstance(thing, SimulatedDeal)  # noqa: S101 - a story of deals holds nothing else
    return thing


def _doc(deal: SimulatedDeal, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "doctype": "Opportunity",
        "name": f"CRM-OPP-SIM-{deal.number}",
        "owner": "administrator",
        "creation": _stamp(deal.created_at, zone),
        "modified": _stamp(deal.changed_at, zone),
        "docstatus": 0,
        "title": deal.title,
        "opportunity_from": "Customer",
        "party_name": f"CUST-SIM-{deal.customer:05}",
        "status": _STATUS.get(deal.stage, "Open"),
        "sales_stage": _STAGES[deal.stage],
        "opportunity_owner": f"user{deal.owner}@example.com",
        "opportunity_amount": float(deal.amount),
        "currency": deal.currency,
        "probability": 100.0,
        "expected_closing": deal.close_on.isoformat(),
        "transaction_date": deal.created_at.astimezone(zone).date().isoformat(),
        "lost_reasons": [],
    }


def _stamp(when: datetime, zone: ZoneInfo) -> str:
    return when.astimezone(zone).replace(tzinfo=None).isoformat(" ", timespec="microseconds")


SIMULATOR = FrappeSimulator()
