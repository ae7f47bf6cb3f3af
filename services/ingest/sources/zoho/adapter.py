"""Zoho CRM: a notification names records of one module, with changed values only if they were asked for."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

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
from services.ingest.sources.payload import (
    Speaker,
    epoch,
    fingerprint,
    instant,
    micros_since_1970,
    read_object,
    required,
    text,
)
from services.ingest.sources.signing import token_fits
from services.ingest.sources.zoho.records import RECORDS, Found
from services.ingest.sources.zoho.settings import ZohoSettings, channel_of
from shared.contracts.envelope import Event
from shared.contracts.strict_json import dumped
from shared.kernel.errors import MalformedError, QuintantError

_DELETE = "delete"
_LONGEST_SHOWN = 100

CARD = Card(
    title="Zoho CRM",
    authentication="The token that we gave the channel comes back in each notification, with the channel's id: nothing "
    "is signed. Both are compared in constant time",
    dedupe="operation, module, record, server_time and a fingerprint of the values",
    order="server_time for notifications, Modified_Time (seconds) for what is read; the read has the last word",
    hydration="every record of a notification",
    reconcile="by `Modified_Time`, and what was deleted",
    keeper="the channel is renewed each half week, made anew if it is gone",
    retries="Not documented.",
    limits="API credits a day by edition and users (one a call); 5 to 25 calls at once; 10 tokens in 10 minutes",
    rate=Rate(60, 60),
    unverified=(
        "Whether and how often a notification is repeated, and in which order they come: each leads to a read.",
        "Whether server_time is the same in a repetition: if not, the values are said twice, which changes nothing.",
        "Operations other than insert, update and delete: they lead to a read.",
        "Whether restoring a record from the recycle bin notifies and moves Modified_Time: reading it brings it back.",
    ),
    secret_title="Token of the notification channel (up to 50 characters)",  # noqa: S106 - a question, no secret
    secret_origin="ours",  # noqa: S106 - says who makes it up
    steps=(
        "In the API console of your data centre create a Self Client and note its client id and secret",
        "Generate a code for the scopes ZohoCRM.modules.READ, ZohoCRM.coql.READ, ZohoCRM.settings.ALL and "
        "ZohoCRM.notifications.ALL, and exchange it for a refresh token",
        "Give `client_id`, `client_secret` and `refresh_token` to this source; outside of the American data centre "
        "`accounts_url` and `api_url` too",
        "Nothing is to be done in Zoho CRM: the channel to {url} is created, and renewed, by Quintant",
    ),
    kinds=tuple(RECORDS),
    stages={
        "Qualification": "qualification",
        "Needs Analysis": "needs-analysis",
        "Value Proposition": "solution-presentation",
        "Identify Decision Makers": "solution-presentation",
        "Proposal/Price Quote": "proposal-negotiation",
        "Negotiation/Review": "proposal-negotiation",
        "Closed Won": "won",
        "Closed Lost": "lost",
        "Closed-Lost to Competition": "lost",
        "Closed Lost to Competition": "lost",
    },
)


@dataclass(frozen=True, slots=True)
class _Notice:
    """A notification."""

    module: str
    operation: str
    ids: tuple[str, ...]
    values: Mapping[str, Mapping[str, Any]]
    """Changed values by record id, as far as they came."""
    server_time: str
    at: datetime
    identity: str


class Zoho:
    """The adapter."""

    name: ClassVar[str] = "zoho"
    card: ClassVar[Card] = CARD
    settings: ClassVar[type[SourceSettings]] = ZohoSettings

    def verify(self, delivery: Delivery, account: Account) -> Refusal | None:
        """Looks at the token, then at the channel."""
        try:
            said = read_object(delivery.body)
        except QuintantError:
            return Refusal.MALFORMED
        token, channel = said.get("token"), said.get("channel_id")
        if not token or not channel:
            return Refusal.MISSING
        if not isinstance(token, str) or not isinstance(channel, str):
            return Refusal.MALFORMED
        genuine = token_fits(account.secrets, token) & token_fits((channel_of(account),), channel)
        return None if genuine else Refusal.SIGNATURE

    def adapt(self, delivery: Delivery, account: Account) -> Reading:
        """Deletions, and values that came along; whatever was not deleted is read too."""
        notice = _notice(read_object(delivery.body))
        if notice.module not in RECORDS:
            return Reading(notice.identity, unknown=f"module {notice.module[:_LONGEST_SHOWN]!r}")
        if notice.operation == _DELETE:
            return Reading(notice.identity, list(_deleted(notice, account)))
        told = dict(_told(notice, account))
        reads = [
            ToRead(notice.module, found, notice.identity)
            for found in notice.ids
            if account.settings.connected or found not in told or _said(notice, found, account).lacks_currency
        ]
        return Reading(notice.identity, list(told.values()), reads)

    def read(self, record: Record, account: Account) -> Sequence[Event]:
        """All that the record says; of one that is gone, only that."""
        if record.kind not in RECORDS:
            raise MalformedError("A module of this name is not read.")
        module, speaker = RECORDS[record.kind], Speaker(account, record.cause)
        found = Found(record.kind, read_object(record.body) if record.body else {}, speaker)
        gone = record.gone or not record.body
        at = (None if gone else found.instant("changed_at")) or _deleted_at(found) or record.read_at
        ended = gone or (bool(module.ends_when) and found.label("status") == module.ends_when)
        sequence = micros_since_1970(record.read_at)
        event_id = f"read:{record.kind}:{record.id}@{at.isoformat()}/{sequence}"
        fields = {} if ended else module.say(found)
        return [
            speaker.changed(module.entity, record.id, fields, event_id=event_id, at=at, sequence=sequence, ended=ended)
        ]

    def reply(self, delivery: Delivery, account: Account) -> Reply | None:
        """The usual answer."""
        del delivery, account
        return None


def _notice(body: Mapping[str, Any]) -> _Notice:
    module, operation = required(body.get("module"), "module"), required(body.get("operation"), "operation")
    ids, stamp = body.get("ids"), required(body.get("server_time"), "server_time")
    if not isinstance(ids, list) or not ids or not all(isinstance(one, str) and one.strip() for one in ids):
        raise MalformedError("ids is not a list of record ids.")
    known = tuple(dict.fromkeys(one.strip() for one in ids))
    values = dict(_values(body.get("affected_values")))
    mark = fingerprint(*known, dumped(values))
    return _Notice(
        module, operation, known, values, stamp, epoch(stamp, per_second=1000), f"{operation}:{module}@{stamp}:{mark}"
    )


def _values(said: object) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for item in said if isinstance(said, list) else []:
        if isinstance(item, dict) and (found := text(item.get("record_id"))) and isinstance(item.get("values"), dict):
            yield found, item["values"]


def _said(notice: _Notice, found: str, account: Account) -> Found:
    return Found(notice.module, notice.values.get(found, {}), Speaker(account, notice.identity), whole=False)


def _told(notice: _Notice, account: Account) -> Iterator[tuple[str, Event]]:
    """What the values say, where they say something without the rest of the record."""
    module = RECORDS[notice.module]
    for found in notice.ids:
        said = _said(notice, found, account)
        fields = module.say(said) if module.partly else {}
        if fields:
            event_id = f"{_place(notice, found)}:{fingerprint(dumped(said.record))}"
            yield found, said.speaker.changed(module.entity, found, fields, event_id=event_id, at=notice.at)


def _deleted(notice: _Notice, account: Account) -> Iterator[Event]:
    speaker, entity = Speaker(account, notice.identity), RECORDS[notice.module].entity
    for found in notice.ids:
        yield speaker.changed(entity, found, {}, event_id=_place(notice, found), at=notice.at, ended=True)


def _place(notice: _Notice, found: str) -> str:
    return f"{notice.operation}:{notice.module}/{found}@{notice.server_time}"


def _deleted_at(found: Found) -> datetime | None:
    """When an entry of the list of deleted records was deleted."""
    said = found.record.get("deleted_time")
    return instant(said) if text(said) else None


ADAPTER = Zoho()
