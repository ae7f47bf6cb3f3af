"""Tells the story in Quintant's own events, as Standard Webhooks."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from services.ingest.sources.adapter import Account
from services.ingest.sources.payload import fingerprint
from services.ingest.sources.story import Shown, Signed, SimulatedDeal, Step, Subject, Thing, customer_name
from shared.contracts.entities import event_type
from shared.contracts.values import write_instant
from shared.http.standard_webhooks import secret_bytes, signed_headers


class _Simulator:
    subject: Subject = "deals"

    def deliveries(self, step: Step, account: Account, sent_at: datetime) -> Sequence[Signed]:
        """One for the deal; before it one for the customer, when the deal is new."""
        deal = step.now
        if not isinstance(deal, SimulatedDeal):
            return ()
        said = [("deal", _deal(deal, account.name))]
        if step.before is None:
            said.insert(0, ("customer", _customer(deal, account.name)))
        return [_signed(account, entity, data, step.at, sent_at) for entity, data in said]

    def shown(self, thing: Thing) -> Sequence[Shown]:
        """Nothing: there is no API."""
        del thing
        return ()


def _deal(deal: SimulatedDeal, name: str) -> Mapping[str, object]:
    if deal.deleted:
        return {"id": f"{name}:{deal.number}", "ended": True}
    return {
        "id": f"{name}:{deal.number}",
        "title": deal.title,
        "stage": deal.stage,
        "amount": {"amount": str(deal.amount), "currency": deal.currency},
        "customer_id": f"{name}:c{deal.customer}",
        "owner_id": f"{name}:u{deal.owner}",
        "expected_close_on": deal.close_on.isoformat(),
        "created_on": deal.created_at.date().isoformat(),
    }


def _customer(deal: SimulatedDeal, name: str) -> Mapping[str, object]:
    return {"id": f"{name}:c{deal.customer}", "kind": "company", "name": customer_name(deal.customer)}


def _signed(account: Account, entity: str, data: Mapping[str, object], at: datetime, sent_at: datetime) -> Signed:
    body = msgspec.json.encode({"type": event_type(entity), "timestamp": write_instant(at), "data": data})
    message_id = f"msg_{fingerprint(body)}"
    headers = signed_headers([secret_bytes(account.secrets[0])], message_id, sent_at, body)
    return Signed({"content-type": "application/json", **headers}, body)


SIMULATOR = _Simulator()
