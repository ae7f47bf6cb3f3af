"""Odoo: webhooks of server actions, unsigned, with the fields that somebody picked."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, ClassVar

import msgspec
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
from services.ingest.sources.odoo.models import MODELS, ended
from services.ingest.sources.odoo.orders import ALLOCATIONS, LINES
from services.ingest.sources.odoo.values import Row, Said, moment, own_id, parts
from services.ingest.sources.payload import (
    Speaker,
    fingerprint,
    micros_since_1970,
    read_object,
    required,
    text,
    time_zone,
)
from services.ingest.sources.signing import token_fits
from shared.contracts.envelope import Event
from shared.contracts.strict_json import dumped
from shared.kernel.errors import MalformedError

_LONGEST_SHOWN = 100
_BESIDE = (LINES, ALLOCATIONS)
"""What only our own reading puts beside the fields of a document."""
_LAST = 2**63 - 1
"""The sequence of a deletion: Odoo never gives an id again, so nothing of it comes later."""

CARD = Card(
    title="Odoo",
    authentication="None that Odoo offers: a secret is the last part of the address.",
    dedupe="model, id, write_date and a fingerprint of the fields",
    order="write_date (seconds; microseconds where Odoo sends them), a read after the webhooks of its second",
    hydration="each record, with an API key",
    reconcile="by `write_date`, archived ones too",
    retries="None: Odoo waits one second, logs the failure and forgets it. The poller finds what it said.",
    answer_seconds=1,
    limits="None documented; the API is called once a second at most.",
    rate=Rate(60, 60),
    unverified=(
        "Whether write_date carries microseconds in every version: both are read, and compared in seconds.",
        "Whether a version sends within the transaction, so that it may be rolled back: the next read mends it.",
    ),
    secret_title="Secret part of the address",  # noqa: S106 - a question
    secret_origin="ours",  # noqa: S106 - says who makes it up
    secret_in_url=True,
    steps=(
        "Settings → Technical → Automation Rules → New: model Lead/Opportunity, trigger On save, action Send Webhook "
        "Notification",
        "URL: {url}",
        "Fields: Last Updated on (write_date), Type, Active, Stage, Expected Revenue, Currency, Probability, Expected "
        "Closing, Customer, Salesperson, Sales Team, Opportunity",
        "The same for Contact, Sales Order, Journal Entry (invoices) and Payments, each with write_date",
        "For deletions: another rule with the trigger On deletion, whose action is named as the setting "
        "`deletion_action` says, with write_date",
        "For the rest: Preferences → Account Security → New API Key, of a user who may read these; it is `api_key`",
    ),
    kinds=tuple(MODELS),
    stages={
        "1": "prospecting",
        "2": "qualification",
        "3": "proposal-negotiation",
        "4": "won",
        "5": "needs-analysis",
        "6": "solution-presentation",
    },
)


class OdooSettings(SourceSettings, kw_only=True, frozen=True):
    """How to reach the database, and how to read what it leaves open."""

    api_url: Annotated[str, Meta(title="Address of Odoo", description="Such as https://acme.odoo.com")] = ""
    database: Annotated[str, Meta(title="Name of the database")] = ""
    login: Annotated[str, Meta(title="Login of the user whose key it is", description="Not needed for json-2.")] = ""
    api_key: Annotated[
        Secret | None,
        Meta(title="API key", description="Empty: only what the webhooks say is known, order lines never."),
    ] = None
    protocol: Annotated[
        str,
        Meta(
            title="API protocol",
            description="jsonrpc for Odoo 17 and 18, json-2 from 19 on",
            pattern="^(jsonrpc|json-2)$",
        ),
    ] = "jsonrpc"
    currency: Annotated[
        str | None, Meta(title="Currency of amounts that name none", description="ISO 4217, such as EUR")
    ] = None
    currencies: Annotated[
        dict[str, str],
        Meta(title="Currencies by their id in Odoo", description='Only without the API, such as {"1": "EUR"}'),
    ] = msgspec.field(default_factory=dict)
    time_zone: Annotated[str, Meta(title="Time zone of the company", description="For dates of orders and leads")] = (
        "UTC"
    )
    deletion_action: Annotated[str, Meta(title="Name of the server actions that tell of deletions")] = (
        "Quintant: deleted"
    )

    def __post_init__(self) -> None:
        """Refuses a time zone that does not exist, and a key without an address."""
        time_zone(self.time_zone)
        if self.api_key and not (self.api_url and self.database and (self.login or self.protocol == "json-2")):
            raise ValueError("api_key needs api_url and database, and for jsonrpc login")


class Odoo:
    """The adapter."""

    name: ClassVar[str] = "odoo"
    card: ClassVar[Card] = CARD
    settings: ClassVar[type[SourceSettings]] = OdooSettings

    def verify(self, delivery: Delivery, account: Account) -> Refusal | None:
        """The secret is all that a delivery has."""
        genuine = token_fits(account.secrets, delivery.key)
        if not delivery.key:
            return Refusal.MISSING
        return None if genuine else Refusal.SIGNATURE

    def adapt(self, delivery: Delivery, account: Account) -> Reading:
        """What the picked fields say at once; the rest is read, if there is an API."""
        row = {name: value for name, value in read_object(delivery.body).items() if name not in _BESIDE}
        model = required(row.get("_model"), "The model")
        found = own_id(row)
        mark = fingerprint(model, found, *(name + dumped(row[name]).decode() for name in sorted(row)))
        identity = f"{model}/{found}:{mark}"
        if model not in MODELS:
            return Reading(identity, unknown=f"model {model[:_LONGEST_SHOWN]!r}")
        deleted = _action(row) == account.settings.deletion_action
        reads = [ToRead(model, found, identity)] if account.settings.api_key and not deleted else []
        if lacking := _lacking(model, row, deleted=deleted):
            return Reading(identity, reads=reads, unknown="" if reads else f"{model} without {lacking}")
        if reads and not MODELS[model].is_enough(row):
            return Reading(identity, reads=reads)
        speaker, fine = Speaker(account, identity), moment(row["write_date"])
        said = ended(model, row, speaker) if deleted else MODELS[model].says(row, speaker)
        sequence = _LAST if deleted else micros_since_1970(fine)
        return Reading(identity, _events(said, model, speaker, f"{fine.isoformat()}:{mark}", fine, sequence), reads)

    def read(self, record: Record, account: Account) -> Sequence[Event]:
        """The whole record, lines included."""
        if record.kind not in MODELS:
            raise MalformedError("A record of this model is not read.")
        speaker, sequence = Speaker(account, record.cause), micros_since_1970(record.read_at)
        row: Row = read_object(record.body) if record.body else {"id": record.id}
        gone = record.gone or not record.body
        said = ended(record.kind, row, speaker) if gone else MODELS[record.kind].says(row, speaker)
        when = record.read_at if gone else _changed_at(row, record.read_at)
        return _events(said, record.kind, speaker, f"{when.isoformat()}/{sequence}", when, sequence, "read:")

    def reply(self, delivery: Delivery, account: Account) -> Reply | None:
        """The usual answer."""
        del delivery, account
        return None


def _action(row: Row) -> str:
    """`Send to Quintant(#412)` is the action of that name."""
    return (text(row.get("_action")) or "").rpartition("(#")[0].strip()


def _lacking(model: str, row: Row, *, deleted: bool) -> str:
    """What the webhook needs to say anything by itself."""
    if text(row.get("write_date")) is None:
        return "write_date"
    return "" if deleted or MODELS[model].is_enough(row) else MODELS[model].needed


def _changed_at(row: Row, read_at: datetime) -> datetime:
    """A document changes with its lines."""
    times = [moment(one["write_date"]) for one in (row, *parts(row, LINES)) if text(one.get("write_date"))]
    return max(times, default=read_at)


def _events(
    said: Sequence[Said], model: str, speaker: Speaker, mark: str, at: datetime, sequence: int, prefix: str = ""
) -> list[Event]:
    """The API tells times in seconds only: webhooks are dated in the same clock, and finer ordered by sequence."""
    return [
        speaker.changed(
            one.entity,
            one.foreign_id,
            one.fields,
            event_id=f"{prefix}{model}:{one.entity}:{one.foreign_id}@{mark}",
            at=at.replace(microsecond=0),
            sequence=sequence,
            ended=one.ended,
        )
        for one in said
    ]


ADAPTER = Odoo()
