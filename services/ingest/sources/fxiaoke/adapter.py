"""Fxiaoke 纷享销客: a notice names an object and what befell it; what the object says now is read from the API."""

from collections.abc import Sequence
from typing import ClassVar

import msgspec

from services.ingest.sources.adapter import (
    Account,
    Card,
    Delivery,
    Rate,
    Reading,
    Record,
    Refusal,
    Reply,
    SourceSettings,
    ToRead,
)
from services.ingest.sources.fxiaoke.envelope import Envelope, encrypted, envelope, secret_fault, signature
from services.ingest.sources.fxiaoke.objects import KINDS, Found
from services.ingest.sources.fxiaoke.settings import FxiaokeSettings
from services.ingest.sources.payload import Speaker, epoch, fingerprint, micros_since_1970, read_object, required, text
from services.ingest.sources.signing import in_time
from shared.contracts.envelope import Event
from shared.kernel.errors import MalformedError

_DELETIONS = ("delete", "deleted")
_LONGEST_SHOWN = 100

CARD = Card(
    title="Fxiaoke 纷享销客",
    authentication="SHA-1 over the envelope and the AES key; the content is AES-256-CBC under the same key. A replay "
    "window of five minutes over the envelope's time",
    dedupe="messageId of the encrypted content",
    order="the content's timestamp for deletions; last_modified_time of what is read for everything else",
    hydration="every object: notices say little more than ids",
    reconcile="by `last_modified_time`",
    retries="Some, counted in retryTimes: how many and how far apart is not published.",
    limits="100 calls in 20 s for each interface; a bought number of calls a day; 10 tokens a minute",
    rate=Rate(90, 20),
    unverified=(
        "Whether the scheme of the vendor's demo (2020) is what is sent today: the public pages do not describe it.",
        "Whether the envelope's time is that of each attempt (the published example says so): if not, a late "
        "repetition is refused and its change is found by polling. `replay_seconds` widens the window.",
        "The names of event types but `update`: deletions are also noticed by reading, everything else is read.",
        "Whether polling shows deleted objects: if it does, their deletion is taken from it.",
        "The values of sales_stage and sales_status, and field names: settings override them.",
    ),
    secret_title="AES key (aesKey) of the event subscription, base64",  # noqa: S106 - a question, no secret
    secret_fault=secret_fault,
    steps=(
        "管理后台 → 应用列表 → 新建企业自建应用; turn on 开发模式 and allow this server's address (白名单 IP)",
        "Note AppId, AppSecret and 永久授权码: they are `app_id`, `app_secret` and `permanent_code`",
        "Subscribe to the changes (事件变更订阅) of 客户 AccountObj, 商机2.0 NewOpportunityObj, 销售订单 "
        "SalesOrderObj, 回款 PaymentObj and 退款 RefundObj with the address {url}; if there is no page for it, ask "
        "Fxiaoke's service",
        "Its aesKey is the secret of this source",
    ),
    kinds=tuple(KINDS),
    stages={
        "1": "qualification",
        "2": "needs-analysis",
        "3": "solution-presentation",
        "4": "proposal-negotiation",
        "5": "won",
        "6": "lost",
        "7": "lost",
    },
)


class Fxiaoke:
    """The adapter."""

    name: ClassVar[str] = "fxiaoke"
    card: ClassVar[Card] = CARD
    settings: ClassVar[type[SourceSettings]] = FxiaokeSettings

    def verify(self, delivery: Delivery, account: Account) -> Refusal | None:
        """Looks at the signature, then at the enterprise and the time."""
        found = envelope(delivery.body)
        if isinstance(found, Refusal):
            return found
        expected = account.settings.enterprise_account
        if not found.is_genuine(account.secrets) or (expected and found.enterprise_account != expected):
            return Refusal.SIGNATURE
        fresh = in_time(found.sent_at_ms / 1000, delivery.received_at, account.settings.replay_seconds)
        return None if fresh else Refusal.TIMESTAMP

    def adapt(self, delivery: Delivery, account: Account) -> Reading:
        """A deletion is said at once; everything else is an object to read."""
        plain = _envelope(delivery).opened(account.secrets)
        said = read_object(plain)
        kind = required(said.get("apiName"), "apiName")
        identity = text(said.get("messageId")) or fingerprint(plain)
        if kind not in KINDS:
            return Reading(identity, unknown=f"object {kind[:_LONGEST_SHOWN]!r}")
        found = required(said.get("dataId"), "dataId")
        if text(said.get("eventType")) not in _DELETIONS:
            return Reading(identity, reads=[ToRead(kind, found, identity)])
        at = epoch(said.get("timestamp"), per_second=1000)
        speaker = Speaker(account, identity)
        gone = speaker.changed(KINDS[kind].entity, found, {}, event_id=identity, at=at, ended=True)
        return Reading(identity, [gone])

    def read(self, record: Record, account: Account) -> Sequence[Event]:
        """All that the object says; of one that is gone or void, only that."""
        if record.kind not in KINDS:
            raise MalformedError("An object of this kind is not read.")
        kind, speaker = KINDS[record.kind], Speaker(account, record.cause)
        found = Found(record.kind, read_object(record.body) if record.body else {}, speaker)
        at = found.instant("changed_at") or record.read_at
        ended = record.gone or kind.ended(found)
        sequence = micros_since_1970(record.read_at)
        event_id = f"read:{record.kind}:{record.id}@{at.isoformat()}/{sequence}"
        fields = {} if ended else kind.say(found)
        return [
            speaker.changed(kind.entity, record.id, fields, event_id=event_id, at=at, sequence=sequence, ended=ended)
        ]

    def reply(self, delivery: Delivery, account: Account) -> Reply | None:
        """`success`, encrypted and signed as the delivery was."""
        found = envelope(delivery.body)
        key = None if isinstance(found, Refusal) else found.key(account.secrets)
        if key is None:
            return None
        stamp, nonce = str(int(delivery.received_at.timestamp() * 1000)), fingerprint(delivery.body)
        result = encrypted(b"success", key)
        answer = {
            "signature": signature(key, stamp, nonce, result),
            "timestamp": int(stamp),
            "nonce": nonce,
            "encryptedResult": result,
        }
        return Reply(msgspec.json.encode(answer), "application/json;charset=UTF-8")


def _envelope(delivery: Delivery) -> Envelope:
    found = envelope(delivery.body)
    if isinstance(found, Refusal):
        raise MalformedError("The body is no signed envelope.")
    return found


ADAPTER = Fxiaoke()
