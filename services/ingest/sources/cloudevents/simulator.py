"""Tells the story in Quintant's own events, as single CloudEvents in structured mode."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from services.ingest.sources.adapter import Account
from services.ingest.sources.canonical_story import said_of
from services.ingest.sources.story import Shown, Signed, Step, Subject, Thing
from shared.contracts.entities import event_type
from shared.contracts.envelope import STRUCTURED
from shared.contracts.values import write_instant


class _Simulator:
    subject: Subject = "deals"

    def deliveries(self, step: Step, account: Account, sent_at: datetime) -> Sequence[Signed]:
        """One for the deal; before it one for the customer, when the deal is new."""
        del sent_at
        return [_sent(account, entity, data, step.at) for entity, data in said_of(step, account.name)]

    def shown(self, thing: Thing) -> Sequence[Shown]:
        """Nothing: there is no API."""
        del thing
        return ()


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
