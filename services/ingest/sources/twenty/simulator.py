"""A made-up story as Twenty's server would send it."""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from services.ingest.sources.adapter import Account
from services.ingest.sources.story import Shown, Signed, SimulatedDeal, Step, Subject, Thing
from shared.contracts.values import write_instant

_STAGES = {
    "prospecting": "NEW",
    "qualification": "SCREENING",
    "needs-analysis": "NEEDS_ANALYSIS",
    "solution-presentation": "MEETING",
    "proposal-negotiation": "PROPOSAL",
    "won": "CUSTOMER",
    "lost": "LOST",
}
"""Twenty's own five, and two that a workspace adds: out of the box it has none for what is lost."""
_WORKSPACE = str(UUID(int=20))
_DEALS, _COMPANIES, _MEMBERS = 1 << 64, 2 << 64, 3 << 64


class TwentySimulator:
    """Tells deals."""

    subject: Subject = "deals"

    def deliveries(self, step: Step, account: Account, sent_at: datetime) -> Sequence[Signed]:
        """One request a step."""
        deal = _deal(step.now)
        action = "deleted" if deal.deleted else "updated" if step.before else "created"
        record = _record(deal)
        changed = [] if step.before is None else [name for name in record if record[name] != _record(step.before)[name]]
        body = msgspec.json.encode(
            {
                "targetUrl": "https://quintant.example/webhooks",
                "eventName": f"opportunity.{action}",
                "objectMetadata": {"id": str(UUID(int=21)), "nameSingular": "opportunity"},
                "workspaceId": _WORKSPACE,
                "webhookId": str(UUID(int=22)),
                "eventDate": _millis(step.at),
                "userId": str(UUID(int=23)),
                "workspaceMemberId": record["ownerId"],
                "record": record,
                **({"updatedFields": changed} if step.before else {}),
            }
        )
        return [Signed(signed(account.secrets[0], body, sent_at), body)]

    def shown(self, thing: Thing) -> Sequence[Shown]:
        """The record of the REST API."""
        record = _record(thing)
        return [] if _deal(thing).deleted else [Shown("opportunity", record["id"], record)]


def signed(secret: str, body: bytes, sent_at: datetime) -> dict[str, str]:
    """The headers of a delivery."""
    stamp = str(int(sent_at.timestamp() * 1000))
    digest = hmac.new(secret.encode(), f"{stamp}:".encode() + body, hashlib.sha256).hexdigest()
    return {
        "content-type": "application/json",
        "x-twenty-webhook-timestamp": stamp,
        "x-twenty-webhook-signature": digest,
        "x-twenty-webhook-nonce": secrets.token_hex(16),
    }


def _deal(thing: Thing) -> SimulatedDeal:
    assert isinstance(thing, SimulatedDeal)  # noqa: S101 - a story of deals holds nothing else
    return thing


def _record(thing: Thing) -> dict[str, Any]:
    deal = _deal(thing)
    return {
        "id": str(UUID(int=_DEALS + deal.number)),
        "name": deal.title,
        "stage": _STAGES[deal.stage],
        "amount": {"amountMicros": int(deal.amount * 1_000_000), "currencyCode": deal.currency},
        "closeDate": f"{deal.close_on.isoformat()}T00:00:00.000Z",
        "companyId": str(UUID(int=_COMPANIES + deal.customer)),
        "pointOfContactId": None,
        "ownerId": str(UUID(int=_MEMBERS + deal.owner)),
        "position": deal.number,
        "createdBy": {"source": "MANUAL", "workspaceMemberId": str(UUID(int=_MEMBERS + deal.owner))},
        "createdAt": _millis(deal.created_at),
        "updatedAt": _millis(deal.changed_at),
        "deletedAt": _millis(deal.changed_at) if deal.deleted else None,
    }


def _millis(when: datetime) -> str:
    return write_instant(when.replace(microsecond=0)).replace("Z", ".000Z")


SIMULATOR = TwentySimulator()
