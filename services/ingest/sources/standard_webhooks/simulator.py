"""Tells the story in Quintant's own events, as Standard Webhooks."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from services.ingest.sources.adapter import Account
from services.ingest.sources.canonical_story import said_of
from services.ingest.sources.payload import fingerprint
from services.ingest.sources.story import Shown, Signed, Step, Subject, Thing
from shared.contracts.entities import event_type
from shared.contracts.values import write_instant
from shared.http.standard_webhooks import secret_bytes, signed_headers


class _Simulator:
    subject: Subject = "deals"

    def deliveries(self, step: Step, account: Account, sent_at: datetime) -> Sequence[Signed]:
        """One for the deal; before it one for the customer, when the deal is new."""
        return [_signed(account, entity, data, step.at, sent_at) for entity, data in said_of(step, account.name)]

    def shown(self, thing: Thing) -> Sequence[Shown]:
        """Nothing: there is no API."""
        del thing
        return ()


def _signed(account: Account, entity: str, data: Mapping[str, object], at: datetime, sent_at: datetime) -> Signed:
    body = msgspec.json.encode({"type": event_type(entity), "timestamp": write_instant(at), "data": data})
    message_id = f"msg_{fingerprint(body)}"
    headers = signed_headers([secret_bytes(account.secrets[0])], message_id, sent_at, body)
    return Signed({"content-type": "application/json", **headers}, body)


SIMULATOR = _Simulator()
