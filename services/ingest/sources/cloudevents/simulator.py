"""Tells the story in Quintant's own events, as single CloudEvents in structured mode."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from services.ingest.sources.adapter import Account
from services.ingest.sources.story import Shown, Signed, SimulatedDeal, Step, Subject, Thing, customer_name
from shared.contracts.entities import event_type
from shared.contracts.envelope import STRUCTURED
from shared.contracts.values import write_instant


class _Simulator:
    subject: Subject = "deals"

    def deliveries(self, step: Step, account: Account, sent_at: datetime) -> Sequence[Signed]:
        """One for the deal; before it one for the customer, when the deal is new."""
        del sent_at
        deal = step.now
        if not isinstance(deal, SimulatedDeal):
            return ()
        said = [("deal", _deal(deal, account.name))]
        if step.before is None:
            said.insert(0, ("customer", _customer(deal, account.name)))
        return [_sent(account, entity, data, step.at) for entity, data in said]

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


def _sent(account: Account, entity: str, data: Mapping[str, object], at: datetime) -> Signed:
    time = write_instant(at)
    event = {
        "specversion": "1.0",
        "type": event_type(entity),
        "source": "/simulator",
        "id": f"{data['id']}@{time}",
        "time": time,
        "data": data,
    }
    headers = {"content-type": STRUCTURED, "authorization": f"Bearer {account.secrets[0]}"}
    return Signed(headers, msgspec.json.encode(event))


SIMULATOR = _Simulator()
