"""A made-up story as Pipedrive's webhooks v2 tell it."""

import base64
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from services.ingest.sources.adapter import Account
from services.ingest.sources.pipedrive.adapter import credentials
from services.ingest.sources.story import OPEN_STAGES, Shown, Signed, SimulatedDeal, Step, Subject, Thing
from shared.contracts.values import write_instant

_COMPANY, _WEBHOOK, _OWNERS = "8087566", "4710827", 12_415_230


class PipedriveSimulator:
    """Tells deals."""

    subject: Subject = "deals"

    def deliveries(self, step: Step, account: Account, sent_at: datetime) -> Sequence[Signed]:
        """One request a step."""
        del sent_at  # nothing of an attempt is in it
        now, record = _deal(step.now), _record(step.now)
        before = None if step.before is None else _record(step.before)
        changed = {} if before is None else {name: before[name] for name in record if before[name] != record[name]}
        body = msgspec.json.encode(
            {
                "data": None if now.deleted else record,
                "previous": before if now.deleted else changed or None,
                "meta": _meta(now, "delete" if now.deleted else "change" if before else "create", step.at),
            }
        )
        return [Signed({"content-type": "application/json", **basic(account.secrets[0])}, body)]

    def shown(self, thing: Thing) -> Sequence[Shown]:
        """The deal of API v2."""
        record = _record(thing)
        whole = {**record, "update_time": record["update_time"] or record["add_time"], "is_deleted": False}
        return [] if _deal(thing).deleted else [Shown("deals", str(record["id"]), whole)]


def basic(secret: str) -> dict[str, str]:
    """The header that carries user name and password."""
    return {"authorization": f"Basic {base64.b64encode(credentials(secret).encode()).decode()}"}


def _deal(thing: Thing) -> SimulatedDeal:
    assert isinstance(thing, SimulatedDeal)  # noqa: S101 - a story of deals holds nothing else
    return thing


def _record(thing: Thing) -> dict[str, Any]:
    deal = _deal(thing)
    status = deal.stage if deal.stage in ("won", "lost") else "open"
    changed = write_instant(deal.changed_at)
    return {
        "add_time": write_instant(deal.created_at),
        "channel": None,
        "channel_id": None,
        "close_time": None if status == "open" else changed,
        "creator_user_id": _OWNERS + deal.owner,
        "currency": deal.currency,
        "custom_fields": {},
        "expected_close_date": deal.close_on.isoformat(),
        "first_won_time": changed if status == "won" else None,
        "id": deal.number,
        "label_ids": [],
        "lost_reason": "Simulated: too expensive" if status == "lost" else None,
        "lost_time": changed if status == "lost" else None,
        "org_id": deal.customer,
        "origin": "ManuallyCreated",
        "origin_id": None,
        "owner_id": _OWNERS + deal.owner,
        "person_id": None,
        "pipeline_id": 1,
        "probability": None,
        "stage_change_time": None,
        "stage_id": OPEN_STAGES.index(deal.stage) + 1 if status == "open" else len(OPEN_STAGES),
        "status": status,
        "title": deal.title,
        "update_time": None if deal.changed_at == deal.created_at else changed,
        "value": float(deal.amount),
        "visible_to": "3",
        "won_time": changed if status == "won" else None,
        "is_archived": False,
        "archive_time": None,
    }


def _meta(deal: SimulatedDeal, action: str, at: datetime) -> dict[str, Any]:
    moment = int(at.timestamp() * 1000)
    return {
        "action": action,
        "company_id": _COMPANY,
        "correlation_id": str(UUID(int=(1 << 64) + moment)),
        "entity_id": str(deal.number),
        "entity": "deal",
        "id": str(UUID(int=(deal.number << 64) + moment)),
        "is_bulk_edit": False,
        "timestamp": f"{write_instant(at.replace(microsecond=0))[:-1]}.{moment % 1000:03}Z",
        "type": "general",
        "user_id": str(_OWNERS + deal.owner),
        "version": "2.0",
        "webhook_id": _WEBHOOK,
        "webhook_owner_id": "12094821",
        "change_source": "app",
        "permitted_user_ids": [str(_OWNERS + deal.owner)],
        "attempt": 1,
        "host": "simulated.pipedrive.com",
    }


SIMULATOR = PipedriveSimulator()
