"""What happens to a delivery of a configured source: verified, adapted, into the inbox; what cannot be read waits.

Nothing that is genuine is refused for what it says, because a source repeats what is refused, gives up, or bans us; the
exception are sources that speak Quintant's own contract.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

import msgspec
import structlog

from services.ingest import queries, wire
from services.ingest.accounts import Accounts, Connected
from services.ingest.domain.candidates import Outcome, Status
from services.ingest.intake import Intake
from services.ingest.refusals import Refusals
from services.ingest.sources import ADAPTERS
from services.ingest.sources.adapter import Account, Delivery, Reading, Record, Refusal, Reply, SourceSettings
from services.ingest.store import Held, Raw
from shared.contracts.envelope import Event, Refused
from shared.kernel.errors import ConflictError, QuintantError, UnauthenticatedError
from shared.kernel.ids import derived_id
from shared.storage.database import Database
from shared.telemetry import metric_names
from shared.telemetry.metrics import Metrics

_LOG = structlog.get_logger(__name__)
_REFUSED = "The webhook's signature does not fit."
_NOBODY = Connected(ADAPTERS["standard-webhooks"], Account("nobody", (), SourceSettings()))


class AdapterFailedError(QuintantError):
    """A defect of an adapter: the bytes wait until it is mended."""

    slug = "adapter-failed"


class UnknownTopicError(QuintantError):
    """Genuine, but nothing that the adapter reads."""

    slug = "unknown-topic"


class Received(msgspec.Struct, frozen=True):
    """What became of a delivery, and what its source wants to hear, if not just any 2xx."""

    outcomes: Sequence[Outcome]
    reply: Reply | None
    to_read: int = 0
    """Objects that were put into the queue, because the delivery says too little about them."""


@dataclass(frozen=True, slots=True)
class Receiving:
    """Takes in deliveries."""

    database: Database
    accounts: Accounts
    intake: Intake
    refusals: Refusals
    metrics: Metrics

    def verified(self, name: str, delivery: Delivery) -> Connected:
        """The source that sent it. Raises UnauthenticatedError: the same for an unknown source and a bad signature."""
        connected = self.accounts.find(name)
        asked = connected or _NOBODY
        refusal = asked.adapter.verify(delivery, asked.account)
        if refusal is None and connected is not None:
            return connected
        if connected is not None:
            self.refusals.add(name, refusal or Refusal.SIGNATURE)
        self.metrics.add(metric_names.INGEST_REFUSED, source=name if connected else "", reason=refusal or "unknown")
        raise UnauthenticatedError(_REFUSED)

    async def take(self, connected: Connected, delivery: Delivery, *, kind: str = "webhook") -> Received:
        """Into the inbox, the queue of objects to read, or the quarantine, in one commit. Raises UnavailableError; and
        what is wrong with it, if the source speaks our own contract."""
        adapter, account = connected.adapter, connected.account
        try:
            reading = adapted(connected, delivery)
        except QuintantError as error:
            if adapter.card.canonical and not isinstance(error, AdapterFailedError):
                raise
            raw = raw_of(connected, delivery, "", kind)
            held = await self._hold(account, raw, error)
            await self.intake.take((), raw, kind=kind, delivered=True)
            return Received([held], adapter.reply(delivery, account))
        raw = raw_of(connected, delivery, reading.delivery, kind)
        read = wire.read(reading.events)
        outcomes: Sequence[Outcome] = await self.intake.take(read, raw, kind=kind, reads=reading.reads, delivered=True)
        if not adapter.card.canonical:
            outcomes = await self._rescued(account, raw, outcomes)
        if reading.unknown:
            outcomes = [*outcomes, await self._hold(account, raw, UnknownTopicError(reading.unknown))]
        return Received(outcomes, adapter.reply(delivery, account), len(reading.reads))

    async def _rescued(self, account: Account, raw: Raw, outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
        """What the contract refuses waits in the quarantine instead, as the bytes from which it was read."""
        errors = [one.error for one in outcomes if one.status is Status.REJECTED and one.error is not None]
        if not errors:
            return outcomes
        held = await self._hold(account, raw, errors[0])
        return [
            replace(held, source=one.source, id=one.id) if one.status is Status.REJECTED else one for one in outcomes
        ]

    async def _hold(self, account: Account, raw: Raw, error: QuintantError) -> Outcome:
        return await self.intake.hold_raw(raw, account.source, error.slug, error.detail)

    async def retry(self, held_id: str) -> Outcome:
        """Try something in the quarantine again: a candidate, or bytes that a newer adapter may read. Raises
        NotFoundError, or ConflictError if it was released before or its source is not configured any more."""
        held = await self.intake.held(held_id)
        if held.candidate is not None or held.raw_id is None:
            return await self.intake.retry(held_id)
        outcome = await self._again(held, held.raw_id)
        await self.intake.note_attempt(held_id, outcome)
        return replace(outcome, quarantine_id=held_id)

    async def _again(self, held: Held, raw_id: str) -> Outcome:
        async with self.database.read() as reader:
            raw = await queries.raw_whole(reader, raw_id)
        connected = self.accounts.find(raw.source or "") if raw else None
        if raw is None or connected is None:
            raise ConflictError("The source of these bytes is not configured: no adapter can read them again.")
        try:
            reading = again(connected, raw)
        except QuintantError as error:
            return Outcome(held.source, held.event_id, Status.QUARANTINED, error=error)
        read = wire.read(reading.events)
        outcomes = await self.intake.take(read, raw, kind=raw.kind, reads=reading.reads)
        errors = [one.error for one in outcomes if one.error is not None and one.status is Status.REJECTED]
        if reading.unknown:
            errors.append(UnknownTopicError(reading.unknown))
        status = Status.QUARANTINED if errors else Status.ACCEPTED
        return Outcome(held.source, held.event_id, status, error=errors[0] if errors else None)


def adapted(connected: Connected, delivery: Delivery) -> Reading:
    """What a genuine delivery says. Raises QuintantError; an adapter's own failure is one too, and logged."""
    try:
        return connected.adapter.adapt(delivery, connected.account)
    except QuintantError:
        raise
    except Exception as error:
        raise _failed(connected, error) from error


def recorded(connected: Connected, record: Record) -> Sequence[Event | Refused]:
    """What an object read from the source's API says. Raises as `adapted`."""
    try:
        return connected.adapter.read(record, connected.account)
    except QuintantError:
        raise
    except Exception as error:
        raise _failed(connected, error) from error


def _failed(connected: Connected, error: Exception) -> AdapterFailedError:
    name = connected.adapter.name
    _LOG.error("adapter_failed", adapter=name, source=connected.account.name, kind=type(error).__name__)
    return AdapterFailedError(
        f"The adapter {name} failed ({type(error).__name__}): this is a defect. The bytes are kept; "
        "update ingest, then try again."
    )


def again(connected: Connected, raw: Raw) -> Reading:
    """What kept bytes of a source say to the present adapter. Raises as `adapted`."""
    if raw.kind == "read":
        return Reading(raw.id, recorded(connected, record_of(raw)))
    return adapted(connected, delivery_of(raw))


def raw_of(connected: Connected, delivery: Delivery, identity: str, kind: str) -> Raw:
    """The bytes to keep. Their id is derived, so that a repeated delivery is kept once."""
    kept = {
        name: delivery.headers[name]
        for name in ("content-type", "user-agent", *connected.adapter.card.kept_headers)
        if name in delivery.headers
    }
    name = connected.account.name
    return Raw(
        derived_id(name, identity, sha256(delivery.body).hexdigest()),
        delivery.received_at,
        kind,
        delivery.headers.get("content-type", ""),
        kept,
        delivery.body,
        name,
    )


def delivery_of(raw: Raw) -> Delivery:
    """The delivery that was kept; without what only its verification needed."""
    return Delivery(headers=raw.headers, body=raw.body, received_at=raw.received_at)


def raw_of_record(connected: Connected, record: Record, context: Mapping[str, object]) -> Raw:
    """The bytes of an object that was read, and all that is needed to read them again in the same way."""
    name = connected.account.name
    said = {
        "kind": record.kind,
        "id": record.id,
        "read_at": record.read_at.isoformat(),
        "gone": record.gone,
        "cause": record.cause,
        **context,
    }
    key = derived_id(name, record.kind, record.id, record.read_at.isoformat(), sha256(record.body).hexdigest())
    return Raw(key, record.read_at, "read", "application/json", said, record.body, name)


def record_of(raw: Raw) -> Record:
    """The object that was kept."""
    said = raw.headers
    return Record(said["kind"], said["id"], raw.received_at, raw.body, gone=said["gone"], cause=said["cause"])
