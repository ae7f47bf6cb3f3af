"""Salesforce: change events that we pull, outbound messages that it sends, records that we read."""

from collections.abc import Sequence
from typing import ClassVar

from services.ingest.sources.adapter import Account, Card, Delivery, Reading, Record, Refusal, Reply, SourceSettings
from services.ingest.sources.payload import Speaker, micros_since_1970, read_object, text
from services.ingest.sources.salesforce import changes, outbound
from services.ingest.sources.salesforce.card import CARD, SalesforceSettings
from services.ingest.sources.salesforce.objects import KINDS, Saying, changed_at, flag
from services.ingest.sources.signing import token_fits
from shared.contracts.envelope import Event
from shared.kernel.errors import MalformedError

__all__ = ["ADAPTER", "Salesforce", "SalesforceSettings"]

_JSON_BEGINS = b"{"


class Salesforce:
    """The adapter."""

    name: ClassVar[str] = "salesforce"
    card: ClassVar[Card] = CARD
    settings: ClassVar[type[SourceSettings]] = SalesforceSettings

    def verify(self, delivery: Delivery, account: Account) -> Refusal | None:
        """Only of outbound messages: the secret in the address first, so that no stranger's XML is ever parsed."""
        genuine = token_fits(account.secrets, delivery.key)
        if not delivery.key:
            return Refusal.MISSING
        if not genuine:
            return Refusal.SIGNATURE
        try:
            message = outbound.parsed(delivery.body)
        except MalformedError:
            return Refusal.MALFORMED
        fits = outbound.same_organization(message.organization, account.settings.organization_id)
        return None if fits else Refusal.SIGNATURE

    def adapt(self, delivery: Delivery, account: Account) -> Reading:
        """The feed hands on JSON, Salesforce sends XML: neither can be taken for the other."""
        if delivery.body.startswith(_JSON_BEGINS):
            return changes.reading(read_object(delivery.body), account)
        return outbound.reading(outbound.parsed(delivery.body), delivery.body, account)

    def read(self, record: Record, account: Account) -> Sequence[Event]:
        """The whole record. Of a deleted one only that, and into which account it was merged."""
        if record.kind not in KINDS:
            raise MalformedError("An object of this kind is not read.")
        kind, speaker = KINDS[record.kind], Speaker(account, record.cause)
        body = read_object(record.body) if record.body else {}
        gone = record.gone or flag(body.get("IsDeleted")) is True
        if gone and not kind.deletable:
            return ()  # a user is never deleted: we may not see it
        at, sequence = changed_at(body) or record.read_at, micros_since_1970(record.read_at)
        place = f"{record.kind}:{record.id}@{at.isoformat()}/{sequence}"
        saying = Saying({} if gone else body, speaker)
        kind.say(saying)
        ended = gone if kind.deletable else None
        events = [
            speaker.changed(
                kind.entity, record.id, saying.fields, event_id=f"read:{place}", at=at, sequence=sequence, ended=ended
            )
        ]
        survivor = text(body.get("MasterRecordId")) if gone else None
        if survivor is not None:
            alias = f"read:merge:{place}"
            events.append(speaker.merged(record.id, survivor, event_id=alias, at=at, sequence=sequence))
        return events

    def reply(self, delivery: Delivery, account: Account) -> Reply | None:
        """Without this very answer Salesforce sends the message again for a day."""
        del delivery, account
        return Reply(outbound.ACK, "text/xml; charset=utf-8")


ADAPTER = Salesforce()
