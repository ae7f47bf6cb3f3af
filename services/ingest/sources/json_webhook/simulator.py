"""Tells the story as a small made-up CRM does: as examples/deal-changed.json, signed as the settings say."""

import base64
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime

from services.ingest.sources.adapter import Account
from services.ingest.sources.json_webhook.configuration import Basic, Hmac, InUrl
from services.ingest.sources.json_webhook.schemes import signed
from services.ingest.sources.story import Shown, Signed, SimulatedDeal, Step, Subject, Thing, customer_name
from shared.contracts.strict_json import Number, dumped
from shared.contracts.values import write_instant

_ALWAYS = ("id", "currency")


class _Simulator:
    subject: Subject = "deals"

    def deliveries(self, step: Step, account: Account, sent_at: datetime) -> Sequence[Signed]:
        """One notice; a change says only what changed."""
        deal = step.now
        if not isinstance(deal, SimulatedDeal):
            return ()
        told = _told(deal)
        if isinstance(step.before, SimulatedDeal):
            before = _told(step.before)
            told = {name: value for name, value in told.items() if name in _ALWAYS or before[name] != value}
        kind = "deleted" if deal.deleted else "updated" if step.before else "created"
        notice: dict[str, object] = {
            "event": f"deal.{kind}",
            "changed_at": write_instant(deal.changed_at),
            "deal": told,
        }
        if step.before is None:
            notice["company"] = {"id": f"c{deal.customer}", "name": customer_name(deal.customer)}
        return [_signed(account, dumped(notice), sent_at)]

    def shown(self, thing: Thing) -> Sequence[Shown]:
        """Nothing: there is no API."""
        del thing
        return ()


def _told(deal: SimulatedDeal) -> Mapping[str, object]:
    return {
        "id": Number(deal.number),
        "title": deal.title,
        "value": Number(format(deal.amount, "f")),
        "currency": deal.currency.lower(),
        "stage": deal.stage,
        "company_id": f"c{deal.customer}",
        "owner_id": Number(deal.owner),
        "closes_on": deal.close_on.isoformat(),
    }


def _signed(account: Account, body: bytes, sent_at: datetime) -> Signed:
    scheme, secret = account.settings.verification, account.secrets[0]
    headers = {"content-type": "application/json"}
    if isinstance(scheme, InUrl):
        return Signed(headers, body, path_key=secret)
    if isinstance(scheme, Basic):
        return Signed({**headers, "authorization": f"Basic {base64.b64encode(secret.encode()).decode()}"}, body)
    if not isinstance(scheme, Hmac):
        return Signed({**headers, scheme.header.lower(): scheme.prefix + secret}, body)
    return Signed({**headers, **_hmac(scheme, secret, body, sent_at)}, body)


def _hmac(scheme: Hmac, secret: str, body: bytes, sent_at: datetime) -> Mapping[str, str]:
    per_second = 1 if scheme.timestamp_unit == "seconds" else 1000
    timestamp = str(int(sent_at.timestamp() * per_second)) if scheme.timestamp_header else ""
    digest = hmac.digest(secret.encode(), signed(scheme, timestamp, body), scheme.algorithm)
    text = digest.hex() if scheme.encoding == "hex" else base64.b64encode(digest).decode()
    at = {scheme.timestamp_header.lower(): timestamp} if scheme.timestamp_header else {}
    return {scheme.header.lower(): scheme.prefix + text, **at}


SIMULATOR = _Simulator()
