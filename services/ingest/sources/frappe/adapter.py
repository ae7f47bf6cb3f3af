"""Frappe and ERPNext: webhooks with whole documents, signed over the JSON that Python writes."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated, ClassVar

from msgspec import Meta

from services.ingest.sources.adapter import (
    Account,
    Card,
    Delivery,
    Rate,
    Reading,
    Record,
    Refusal,
    Reply,
    Secret,
    SourceSettings,
    ToRead,
)
from services.ingest.sources.frappe.doctypes import DOCTYPES, ended, lacking
from services.ingest.sources.frappe.values import Doc, Said, moment
from services.ingest.sources.payload import Speaker, fingerprint, micros_since_1970, read_object, text, time_zone
from services.ingest.sources.signing import from_base64, mac_fits
from shared.contracts.envelope import Event
from shared.contracts.strict_json import dumped
from shared.kernel.errors import MalformedError

_LONGEST_SHOWN = 100
_LAST = 2**63 - 1
"""The sequence of a deletion: at this state of the document nothing comes after it."""

CARD = Card(
    title="Frappe / ERPNext",
    authentication="HMAC-SHA256 (base64) over the body; no time is signed",
    dedupe="doctype, name, modified and a fingerprint of the document",
    order="modified (microseconds); a read after the webhooks of the same instant",
    hydration="each document, with an API key",
    reconcile="by `modified`, and what was deleted",
    retries="Three tries with pauses of one and four seconds; none after a timeout. The poller finds the rest.",
    answer_seconds=5,
    limits="None documented; a site may limit the time that it spends. The API is called twice a second at most.",
    rate=Rate(120, 60),
    unverified=(
        "Values that are no JSON (of custom fields) are written differently into the signature and into the body: such "
        "a delivery is refused, and the poller reads the document.",
        "Renaming a document sends nothing: the new name is another entity, the old one is left as it was.",
    ),
    secret_title="Webhook secret",  # noqa: S106 - a question
    secret_origin="ours",  # noqa: S106 - says who makes it up
    steps=(
        "Webhook List → New: DocType Opportunity, Doc Event on_change",
        "Request URL: {url}, Request Structure: JSON",
        "JSON Request Body: {{{{ doc.as_json() }}}}",
        "Enable Security, Webhook Secret: {secret}",
        "The same for Lead, Customer, Item, User, Sales Order, Sales Invoice and Payment Entry",
        "For deletions one more each: event on_trash, and the body "
        '{{"doctype": "{{{{ doc.doctype }}}}", "name": "{{{{ doc.name }}}}", "modified": "{{{{ doc.modified }}}}", '
        '"event": "on_trash"}}',
        "For the poller: User → Settings → API Access → Generate Keys; they are `api_key` and `api_secret`",
    ),
    kinds=tuple(DOCTYPES),
    stages={
        "Prospecting": "prospecting",
        "Qualification": "qualification",
        "Needs Analysis": "needs-analysis",
        "Value Proposition": "solution-presentation",
        "Identifying Decision Makers": "solution-presentation",
        "Perception Analysis": "solution-presentation",
        "Proposal/Price Quote": "proposal-negotiation",
        "Negotiation/Review": "proposal-negotiation",
    },
)


class FrappeSettings(SourceSettings, kw_only=True, frozen=True):
    """How to reach the site, and how to read what it leaves open."""

    api_url: Annotated[str, Meta(title="Address of the site", description="Such as https://erp.example.com")] = ""
    api_key: Annotated[
        Secret | None, Meta(title="API key", description="Empty: what is lost on the way is not noticed.")
    ] = None
    api_secret: Annotated[Secret | None, Meta(title="API secret")] = None
    read_deletions: Annotated[
        bool,
        Meta(
            title="Read the list of deleted documents",
            description="The user of the API key must be a System Manager for it. Without it only webhooks tell of "
            "deletions.",
        ),
    ] = True
    currency: Annotated[
        str | None,
        Meta(title="Currency of the company", description="Of amounts that name none, as rates of items. ISO 4217."),
    ] = None
    time_zone: Annotated[
        str, Meta(title="Time zone of the site", description="System Settings → Time Zone; times come without one.")
    ] = "UTC"

    def __post_init__(self) -> None:
        """Refuses a time zone that does not exist, and half of a key."""
        time_zone(self.time_zone)
        if self.api_key and not (self.api_secret and self.api_url):
            raise ValueError("api_key needs api_secret and api_url")


class Frappe:
    """The adapter."""

    name: ClassVar[str] = "frappe"
    card: ClassVar[Card] = CARD
    settings: ClassVar[type[SourceSettings]] = FrappeSettings

    def verify(self, delivery: Delivery, account: Account) -> Refusal | None:
        """The body is the very text that was signed."""
        given = delivery.headers.get("x-frappe-webhook-signature", "")
        signature = from_base64(given)
        genuine = mac_fits(account.secrets, delivery.body, signature or b"")
        if not given:
            return Refusal.MISSING
        if signature is None:
            return Refusal.MALFORMED
        return None if genuine else Refusal.SIGNATURE

    def adapt(self, delivery: Delivery, account: Account) -> Reading:
        """The document; and a read of it, if there is an API: ERPNext also changes documents without moving `modified`,
        and then nothing else orders what two webhooks say."""
        doc = read_object(delivery.body)
        doctype, name = text(doc.get("doctype")), text(doc.get("name"))
        mark = fingerprint(*(key + dumped(doc[key]).decode() for key in sorted(doc)))
        if doctype is None or name is None:
            return Reading(mark, unknown="no doctype and name")
        if doctype not in DOCTYPES:
            return Reading(mark, unknown=f"doctype {doctype[:_LONGEST_SHOWN]!r}")
        found = DOCTYPES[doctype].foreign_id(Speaker(account), name)
        identity = f"{doctype}/{found}:{mark}"
        speaker = Speaker(account, identity)
        deleted = text(doc.get("event")) == "on_trash"
        reads = [ToRead(doctype, name, identity)] if account.settings.api_key and not deleted else []
        if missing := _missing(doc, deleted=deleted):
            return Reading(identity, reads=reads, unknown="" if reads else f"{doctype} without {missing}")
        when = moment(doc["modified"], account)
        says = ended(doc, speaker) if deleted else DOCTYPES[doctype].says(doc, speaker)
        events = _events(says, doctype, speaker, f"{when.isoformat()}:{mark}", when, _LAST if deleted else 0)
        return Reading(identity, events, reads)

    def read(self, record: Record, account: Account) -> Sequence[Event]:
        """The whole document."""
        if record.kind not in DOCTYPES:
            raise MalformedError("A document of this doctype is not read.")
        speaker, sequence = Speaker(account, record.cause), micros_since_1970(record.read_at)
        doc = read_object(record.body) if record.body else {}
        said: Doc = {"name": record.id, **doc, "doctype": record.kind}
        when = _changed_at(said, account, record)
        says = ended(said, speaker) if record.gone else DOCTYPES[record.kind].says(said, speaker)
        return _events(says, record.kind, speaker, f"{when.isoformat()}/{sequence}", when, sequence, "read:")

    def reply(self, delivery: Delivery, account: Account) -> Reply | None:
        """The usual answer."""
        del delivery, account
        return None


def _missing(doc: Doc, *, deleted: bool) -> str:
    if text(doc.get("modified")) is None:
        return "modified"
    return "" if deleted else lacking(doc)


def _changed_at(doc: Doc, account: Account, record: Record) -> datetime:
    """A deleted document changed when it was deleted, where the site tells."""
    told = doc.get("deleted_at" if record.gone else "modified")
    return moment(told, account) if text(told) else record.read_at


def _events(
    says: Iterable[Said], doctype: str, speaker: Speaker, mark: str, at: datetime, sequence: int, prefix: str = ""
) -> list[Event]:
    return [
        speaker.changed(
            one.entity,
            one.foreign_id,
            one.fields,
            event_id=f"{prefix}{doctype}:{one.entity}:{one.foreign_id}@{mark}",
            at=at,
            sequence=sequence,
            ended=one.ended,
        )
        for one in says
    ]


ADAPTER = Frappe()
