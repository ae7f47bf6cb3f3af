"""Keeps the subscriptions of a HubSpot app alive, and its target URL ours."""

from collections.abc import Mapping, Sequence
from typing import Any

from services.ingest.sources.adapter import Account
from services.ingest.sources.api import Subscription
from services.ingest.sources.calling import ApiAnswerError, Calling
from services.ingest.sources.payload import text
from services.ingest.sources.signing import whole_number

_CONCURRENT = 10
"""HubSpot's own default."""
_EVENTS = ("creation", "deletion", "restore", "merge", "associationChange")
_PROPERTIES: Mapping[str, Sequence[str]] = {
    "deal": (
        "dealname",
        "dealstage",
        "pipeline",
        "amount",
        "deal_currency_code",
        "closedate",
        "hubspot_owner_id",
        "closed_lost_reason",
    ),
    "company": ("name", "industry", "country", "state", "hubspot_owner_id", "hs_parent_company_id"),
}
Topic = tuple[str, str]
"""(event type, property or nothing)"""


def topics() -> list[Topic]:
    """All that is to be subscribed to."""
    return [
        *((f"{kind}.{event}", "") for kind in _PROPERTIES for event in _EVENTS),
        *((f"{kind}.propertyChange", name) for kind, names in _PROPERTIES.items() for name in names),
    ]


class HubspotKeeper:
    """One app: it has one target URL for all accounts that installed it."""

    def __init__(self, account: Account, calling: Calling) -> None:
        settings = account.settings
        self._calling = calling
        self._app: str = settings.app_id
        self._root = f"{settings.api_url.rstrip('/')}/webhooks/v3/{self._app}"
        self._query = {"hapikey": settings.developer_key}
        self._target: str = settings.target_url

    async def keep(self, url: str, known: Subscription | None) -> Subscription:
        """Point the app at us, switch on what is off, and subscribe to what is missing."""
        del known  # the lists tell all of it
        done = await self._settle(self._target or url)
        answer = await self._call("GET", "subscriptions")
        found = {_topic(one): one for one in _results(answer)}
        for topic in topics():
            if topic not in found:
                done.append(await self._subscribe(topic))
            elif found[topic].get("active") is not True:
                await self._call("PATCH", f"subscriptions/{text(found[topic].get('id'))}", {"active": True})
                done.append(f"switched on {_shown(topic)}")
        return Subscription(self._app, expires_at=None, detail="; ".join(done))

    async def _settle(self, target: str) -> list[str]:
        settings = await self._call("GET", "settings") or {}
        if text(settings.get("targetUrl")) == target:
            return []
        throttling = settings.get("throttling")
        said = text(throttling.get("maxConcurrentRequests")) if isinstance(throttling, dict) else None
        wanted = {"maxConcurrentRequests": whole_number(said or "") or _CONCURRENT}
        await self._call("PUT", "settings", {"targetUrl": target, "throttling": wanted})
        return ["set the target URL"]

    async def _subscribe(self, topic: Topic) -> str:
        """A property that an account does not have must not keep the others from being subscribed to."""
        kind, name = topic
        try:
            await self._call("POST", "subscriptions", {"eventType": kind, "active": True} | _property(name))
        except ApiAnswerError:
            return f"cannot subscribe to {_shown(topic)}"
        return f"subscribed to {_shown(topic)}"

    async def _call(self, method: str, path: str, body: object = None) -> Any:
        return await self._calling.json(
            method,
            f"{self._root}/{path}",
            query=self._query,
            body=body,
            missing_is_none=method == "GET" and path == "settings",
        )


def _property(name: str) -> dict[str, str]:
    return {"propertyName": name} if name else {}


def _topic(subscription: Mapping[str, Any]) -> Topic:
    return text(subscription.get("eventType")) or "", text(subscription.get("propertyName")) or ""


def _shown(topic: Topic) -> str:
    return ":".join(part for part in topic if part)


def _results(answer: object) -> list[Mapping[str, Any]]:
    found = answer.get("results") if isinstance(answer, dict) else None
    if not isinstance(found, list):
        raise ApiAnswerError("HubSpot answered without subscriptions.")
    return [one for one in found if isinstance(one, dict)]
