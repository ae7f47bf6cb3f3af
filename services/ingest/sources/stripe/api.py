"""Stripe's API: objects by id; what changed, from its list of events or, before its 30 days, from lists by creation."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from math import ceil, floor
from typing import Any
from urllib.parse import quote, urlencode

from services.ingest.sources.adapter import Account, Record
from services.ingest.sources.api import NOTHING, Changed, Reach, StageFound, Subscription
from services.ingest.sources.calling import ApiAnswerError, Calling, CredentialsError, FixedHeaders
from services.ingest.sources.payload import text
from services.ingest.sources.stripe.cash import payment_id
from services.ingest.sources.stripe.voice import part
from shared.contracts.strict_json import dumped

_KEPT = timedelta(days=29)
"""Events are kept for 30 days; a day less, so that none goes while we page."""
_TYPES: Mapping[str, Sequence[str]] = {
    "charges": ("charge.*", "invoice_payment.*"),
    "refunds": ("refund.*",),
    "disputes": ("charge.dispute.*",),
    "invoices": ("invoice.*",),
    "credit_notes": ("credit_note.*",),
    "customers": ("customer.*",),
    "products": ("product.*",),
}
"""Which events tell that an object of this kind changed."""
_EXPAND: Mapping[str, Sequence[str]] = {
    "charges": ("refunds", "balance_transaction"),
    "refunds": ("charge",),
    "disputes": ("charge",),
}
_LISTS_LINES = ("invoices", "credit_notes")
_PAGE, _MOST = 25, 100
_LISTED, _EVENTS = "listed", "events"
_HEARD = (
    "charge.captured", "charge.dispute.closed", "charge.dispute.created", "charge.dispute.funds_reinstated",
    "charge.dispute.funds_withdrawn", "charge.refunded", "charge.succeeded", "credit_note.created",
    "credit_note.voided", "customer.created", "customer.deleted", "customer.updated", "invoice.finalized",
    "invoice.marked_uncollectible", "invoice.paid", "invoice.voided", "invoice_payment.paid",
    "payment_intent.succeeded", "product.created", "product.deleted", "product.updated", "refund.created",
    "refund.failed", "refund.updated",
)  # fmt: skip
"""The events that an endpoint should send."""


def connect(account: Account, calling: Calling) -> Reach:
    """The API, if there is a key for it."""
    if not account.settings.api_key:
        return NOTHING
    api = StripeApi(account, calling)
    return Reach(api=api, keeper=StripeKeeper(api))


class StripeApi:
    """One account."""

    at_once = 10

    def __init__(self, account: Account, calling: Calling) -> None:
        self._calling = calling
        self._root = account.settings.api_url.rstrip("/") + "/v1"
        headers = {
            "authorization": f"Bearer {account.settings.api_key}",
            "stripe-version": account.settings.api_version,
        }
        self._authorization = FixedHeaders(headers)

    async def read(self, kind: str, ids: Sequence[str]) -> Sequence[Record]:
        """The objects as they are now. A charge may be asked for by its payment intent."""
        return [await self._one(kind, identifier) for identifier in ids]

    async def changed(self, kind: str, since: datetime, until: datetime, page: str | None) -> Changed:
        """`page` is where in which list: `listed/<id>`, or `events/<place of the type>/<id of the event>`."""
        kept = self._calling.clock.now() - _KEPT
        mode, _, rest = (page or (f"{_LISTED}/" if since < kept else f"{_EVENTS}/0/")).partition("/")
        if mode == _EVENTS:
            return await self._told(kind, max(since, kept), until, rest)
        found, more = await self.listed(kind, _span(since, until) | _after(rest), _PAGE)
        records = await self.read(kind, [_wanted(one) for one in found])
        following = f"{_LISTED}/{text(found[-1].get('id'))}" if more else f"{_EVENTS}/0/" if until > kept else None
        return Changed(records, following)

    async def stages(self) -> Sequence[StageFound]:
        """An account has no deals; asking for one event shows that the key is good."""
        await self.listed("events", {}, 1)
        return []

    async def listed(self, path: str, query: Mapping[str, str], limit: int) -> tuple[list[dict[str, Any]], bool]:
        """A page of a list, and whether there are more."""
        answer = await self.call("GET", path, query={**query, "limit": str(limit)})
        found = answer.get("data") if isinstance(answer, dict) else None
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            raise ApiAnswerError("Stripe answered without a list.")
        return found, bool(found) and answer.get("has_more") is True

    async def call(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, form: Mapping[str, str] | None = None
    ) -> Any:
        """None for what is not there."""
        return await self._calling.json(
            method,
            f"{self._root}/{path}",
            authorization=self._authorization,
            query=query,
            headers={"content-type": "application/x-www-form-urlencoded"} if form else None,
            body=urlencode(form).encode() if form else None,
            missing_is_none=True,
        )

    async def _told(self, kind: str, since: datetime, until: datetime, page: str) -> Changed:
        place, _, after = page.partition("/")
        types = _TYPES[kind]
        query = {"type": types[int(place)], **_span(since, until), **_after(after)}
        events, more = await self.listed("events", query, _PAGE)
        records = await self.read(kind, list(dict.fromkeys(_changed_in(kind, events))))
        if more:
            return Changed(records, f"{_EVENTS}/{place}/{text(events[-1].get('id'))}")
        following = int(place) + 1
        return Changed(records, f"{_EVENTS}/{following}/" if following < len(types) else None)

    async def _one(self, kind: str, identifier: str) -> Record:
        read_at = self._calling.clock.now()
        found = await self._found(kind, identifier)
        if found is None:
            return Record(kind, identifier, read_at, b"", gone=True)
        if kind in _LISTS_LINES and part(found, "lines").get("has_more") is True:
            found = found | {"lines": {"data": await self._lines(f"{kind}/{quote(identifier)}/lines")}}
        if kind == "charges":
            found = found | await self._of_charge(found)
        elif charge := part(found, "charge"):
            found = found | {"charge": charge | await self._of_charge(charge)}
        return Record(kind, identifier, read_at, dumped(found), gone=found.get("deleted") is True)

    async def _found(self, kind: str, identifier: str) -> dict[str, Any] | None:
        if kind == "charges" and identifier.startswith("pi_"):
            intent = await self.call("GET", f"payment_intents/{quote(identifier)}")
            charge = text(intent.get("latest_charge")) if isinstance(intent, dict) else None
            return None if charge is None else await self._found(kind, charge)
        expand = {f"expand[{place}]": name for place, name in enumerate(_EXPAND.get(kind, ()))}
        found = await self.call("GET", f"{kind}/{quote(identifier)}", query=expand)
        return found if isinstance(found, dict) else None

    async def _of_charge(self, charge: Mapping[str, Any]) -> dict[str, Any]:
        """All of its refunds, if it has more than it shows; and what it pays of invoices."""
        said: dict[str, Any] = {}
        if part(charge, "refunds").get("has_more") is True:
            refunds, _ = await self.listed("refunds", {"charge": text(charge.get("id")) or ""}, _MOST)
            said["refunds"] = {"data": refunds}
        if intent := text(charge.get("payment_intent")):
            query = {"payment[type]": "payment_intent", "payment[payment_intent]": intent}
            paid, _ = await self.listed("invoice_payments", query, _MOST)
            said["invoice_payments"] = {"data": paid}
        return said

    async def _lines(self, path: str) -> list[dict[str, Any]]:
        found, more = await self.listed(path, {}, _MOST)
        while more:
            following, more = await self.listed(path, _after(text(found[-1].get("id")) or ""), _MOST)
            found += following
        return found


def _changed_in(kind: str, events: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The ids of the objects that the events are about; events of that type about other objects are passed over."""
    for event in events:
        subject = part(part(event, "data"), "object")
        about = text(subject.get("object"))
        if kind == "charges" and about == "invoice_payment":
            paid_by = payment_id(part(subject, "payment"))
            yield from [paid_by] if paid_by else []
        elif f"{about}s" == kind:
            yield _wanted(subject)


def _wanted(found: Mapping[str, Any]) -> str:
    """Under which id it is read: a charge under its payment's."""
    identifier = payment_id(found) if found.get("object") == "charge" else text(found.get("id"))
    if identifier is None:
        raise ApiAnswerError("Stripe answered an object without its id.")
    return identifier


def _span(since: datetime, until: datetime) -> dict[str, str]:
    """Whole seconds that contain it."""
    return {"created[gte]": str(floor(since.timestamp())), "created[lt]": str(ceil(until.timestamp()))}


def _after(identifier: str) -> dict[str, str]:
    return {"starting_after": identifier} if identifier else {}


class StripeKeeper:
    """Stripe disables an endpoint that fails for days. Switching it on again needs no new secret; making one would."""

    def __init__(self, api: StripeApi) -> None:
        self._api = api

    async def keep(self, url: str, known: Subscription | None) -> Subscription:
        """Looks for the endpoint with our address, and switches it on if it is off."""
        del known
        try:
            found, _ = await self._api.listed("webhook_endpoints", {}, _MOST)
        except CredentialsError:
            return Subscription("", None, "not looked at: the API key has no access to webhook endpoints")
        ours = next((one for one in found if text(one.get("url")) == url), None)
        identifier = text(ours.get("id")) if ours else None
        if ours is None or identifier is None:
            return Subscription("", None, "Stripe has no endpoint with this address: add it in Workbench → Webhooks")
        if text(ours.get("status")) != "disabled":
            return Subscription(identifier, None, _lacking(ours.get("enabled_events")))
        await self._api.call("POST", f"webhook_endpoints/{quote(identifier)}", form={"disabled": "false"})
        return Subscription(identifier, None, "was disabled by Stripe; switched on again")


def _lacking(events: object) -> str:
    """What an endpoint does not send, in words."""
    sent = events if isinstance(events, list) else []
    lacking = [] if "*" in sent else [kind for kind in _HEARD if kind not in sent]
    return f"does not send {', '.join(lacking)}: edit its events in Workbench → Webhooks" if lacking else "all events"
