"""A made-up story as Fxiaoke would tell it: encrypted notices of opportunities, and what its API shows of them."""

from collections.abc import Mapping, Sequence
from datetime import datetime, time
from zoneinfo import ZoneInfo

import msgspec

from services.ingest.sources.adapter import Account
from services.ingest.sources.fxiaoke.envelope import encrypted, signature
from services.ingest.sources.fxiaoke.fields import DEAL
from services.ingest.sources.payload import fingerprint
from services.ingest.sources.story import Shown, Signed, SimulatedDeal, Step, Subject, Thing

_STAGES = {
    "prospecting": "prospecting",
    "qualification": "1",
    "needs-analysis": "2",
    "solution-presentation": "3",
    "proposal-negotiation": "4",
    "won": "5",
    "lost": "6",
}
"""Fxiaoke's own process has no stage before qualification: the simulated one is called as ours."""
_RUNNING, _WON, _LOST = "1", "2", "3"
_ZONE = ZoneInfo("Asia/Shanghai")


class FxiaokeSimulator:
    """Tells deals."""

    subject: Subject = "deals"

    def deliveries(self, step: Step, account: Account, sent_at: datetime) -> Sequence[Signed]:
        """One notice a step."""
        deal = _deal(step.now)
        event = "delete" if deal.deleted else "update" if step.before else "create"
        notice = {
            "tenantId": 691413,
            "eventType": event,
            "apiName": DEAL,
            "dataId": _id(deal),
            "timestamp": _millis(step.at),
            "messageId": f"AC{fingerprint(_id(deal), step.at.isoformat(), event).upper()}",
        }
        enterprise = account.settings.enterprise_account or "simulated"
        return [Signed({"content-type": "application/json"}, sealed(account.secrets[0], notice, sent_at, enterprise))]

    def shown(self, thing: Thing) -> Sequence[Shown]:
        """The object as `data/get` gives it."""
        deal = _deal(thing)
        if deal.deleted:
            return []
        return [Shown(DEAL, _id(deal), _shown(deal))]


def sealed(
    secret: str, notice: Mapping[str, object], sent_at: datetime, enterprise: str, retries: int | None = None
) -> bytes:
    """A signed envelope around a notice. Raises MalformedError if the secret is no AES key."""
    content = encrypted(msgspec.json.encode(notice), secret)
    stamp, message = str(_millis(sent_at)), str(notice["messageId"])
    nonce = fingerprint(content, stamp)
    counted = [] if retries is None else [str(retries)]
    said = {
        "signature": signature(secret, stamp, nonce, message, *counted, enterprise, content),
        "timestamp": int(stamp),
        "nonce": nonce,
        "messageId": message,
        **({} if retries is None else {"retryTimes": retries}),
        "enterpriseAccount": enterprise,
        "encryptedContent": content,
    }
    return msgspec.json.encode(said)


def _shown(deal: SimulatedDeal) -> dict[str, object]:
    return {
        "_id": _id(deal),
        "name": deal.title,
        "account_id": f"{0xACC0_0000_0000 + deal.customer:024x}",
        "amount": str(deal.amount),
        "mc_currency": deal.currency,
        "sales_stage": _STAGES[deal.stage],
        "sales_status": {"won": _WON, "lost": _LOST}.get(deal.stage, _RUNNING),
        "sales_process_id": "simulated",
        "close_date": _millis(datetime.combine(deal.close_on, time(), _ZONE)),
        "owner": [f"FSUID_{deal.owner:032X}"],
        "life_status": "normal",
        "lock_status": "0",
        "is_deleted": False,
        "record_type": "default__c",
        "create_time": _millis(deal.created_at),
        "last_modified_time": _millis(deal.changed_at),
    }


def _deal(thing: Thing) -> SimulatedDeal:
    assert isinstance(thing, SimulatedDeal)  # noqa: S101 - a story of deals holds nothing else
    return thing


def _id(deal: SimulatedDeal) -> str:
    return f"{0xDEA1_0000_0000 + deal.number:024x}"


def _millis(when: datetime) -> int:
    return int(when.timestamp() * 1000)


SIMULATOR = FxiaokeSimulator()
