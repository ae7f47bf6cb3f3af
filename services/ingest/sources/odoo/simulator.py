"""A made-up story as the server actions of an Odoo would send it."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from services.ingest.sources.adapter import Account
from services.ingest.sources.story import Shown, Signed, SimulatedDeal, Step, Subject, Thing

_STAGES = {
    "prospecting": (1, "New"),
    "qualification": (2, "Qualified"),
    "needs-analysis": (5, "Analysis"),
    "solution-presentation": (6, "Presentation"),
    "proposal-negotiation": (3, "Proposition"),
    "won": (4, "Won"),
}
"""Odoo's own four, and two that somebody added."""
_CURRENCIES = {"EUR": 1, "USD": 2, "CNY": 7}


class OdooSimulator:
    """Tells opportunities."""

    subject: Subject = "deals"

    def deliveries(self, step: Step, account: Account, sent_at: datetime) -> Sequence[Signed]:
        """One request a step, with the secret as the last part of the address."""
        del sent_at
        deal = _deal(step.now)
        action = account.settings.deletion_action if deal.deleted else "Quintant: saved"
        sent = {"_action": f"{action}(#412)", "_model": "crm.lead", "_id": deal.number, **_row(deal)}
        body = json.dumps(sent, sort_keys=True).encode()
        return [Signed({"content-type": "application/json"}, body, path_key=account.secrets[0])]

    def shown(self, thing: Thing) -> Sequence[Shown]:
        """The record as `search_read` answers it."""
        deal = _deal(thing)
        return [] if deal.deleted else [Shown("crm.lead", str(deal.number), _row(deal))]


def _deal(thing: Thing) -> SimulatedDeal:
    assert isinstance(thing, SimulatedDeal)  # noqa: S101 - a story of deals holds nothing else
    return thing


def _row(deal: SimulatedDeal) -> dict[str, Any]:
    lost = deal.stage == "lost"
    stage = _STAGES["qualification" if lost else deal.stage]
    return {
        "id": deal.number,
        "name": deal.title,
        "type": "opportunity",
        "active": not lost,
        "probability": 0.0 if lost else 100.0 if deal.stage == "won" else 20.0,
        "stage_id": list(stage),
        "expected_revenue": float(deal.amount),
        "company_currency": [_CURRENCIES[deal.currency], deal.currency],
        "date_deadline": deal.close_on.isoformat(),
        "create_date": _stamp(deal.created_at),
        "partner_id": [deal.customer, f"Partner {deal.customer}"],
        "user_id": [deal.owner, f"User {deal.owner}"],
        "team_id": [1, "Sales"],
        "write_date": _stamp(deal.changed_at),
    }


def _stamp(when: datetime) -> str:
    return when.replace(tzinfo=None, microsecond=0).isoformat(" ")


SIMULATOR = OdooSimulator()
