"""Keeps Pipedrive's webhooks to us: it deletes them after three days without a success, and bans them for less."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from services.ingest.sources.adapter import Account
from services.ingest.sources.api import Subscription
from services.ingest.sources.calling import ApiAnswerError
from services.ingest.sources.payload import text
from services.ingest.sources.pipedrive.adapter import credentials
from services.ingest.sources.pipedrive.notices import KINDS

Call = Callable[..., Awaitable[dict[str, Any]]]
_PATH = "v1/webhooks"
_VERSION = "2.0"
_WELL = range(200, 300)


class PipedriveKeeper:
    """One webhook for each kind of object, so that one that is banned does not silence the others."""

    def __init__(self, account: Account, call: Call) -> None:
        self._account = account
        self._call = call

    async def keep(self, url: str, known: Subscription | None) -> Subscription:
        """Make what is missing, and make anew what has other credentials; then take the old ones away."""
        del known  # the list tells all of it
        ours = [one for one in _webhooks(await self._call("GET", _PATH)) if text(one.get("subscription_url")) == url]
        kept = {entity: one for entity in KINDS for one in ours if self._serves(one, entity)}
        missing = [entity for entity in KINDS if entity not in kept]
        made = [await self._make(url, entity) for entity in missing]
        left = {_id(one) for one in kept.values()}
        for one in ours:
            if _id(one) not in left and one.get("type", "general") == "general":
                await self._call("DELETE", f"{_PATH}/{_id(one)}", missing=True)
        return Subscription(
            ",".join(sorted([*left, *made], key=int)), expires_at=None, detail=_detail(missing, list(kept.values()))
        )

    def _serves(self, webhook: Mapping[str, Any], entity: str) -> bool:
        wanted = {"event_action": "*", "event_object": entity, "version": _VERSION}
        fits = all(text(webhook.get(name)) == value for name, value in wanted.items())
        active = text(webhook.get("is_active")) == "1" or webhook.get("is_active") is True
        return fits and active and self._has_credentials(webhook)

    def _has_credentials(self, webhook: Mapping[str, Any]) -> bool:
        """A password that is masked or kept back cannot be compared: then only the name is."""
        user, password = text(webhook.get("http_auth_user")) or "", text(webhook.get("http_auth_password")) or ""
        live = [credentials(secret).partition(":") for secret in self._account.secrets]
        hidden = not password.strip("*•")
        return any(user == name and (hidden or password == own) for name, _, own in live)

    async def _make(self, url: str, entity: str) -> str:
        user, _, password = credentials(self._account.secrets[0]).partition(":")
        answer = await self._call(
            "POST",
            _PATH,
            body={
                "subscription_url": url,
                "event_action": "*",
                "event_object": entity,
                "version": _VERSION,
                "name": f"Quintant {self._account.name}: {entity}",
                "http_auth_user": user,
                "http_auth_password": password,
            },
        )
        return _id(answer.get("data"))


def _webhooks(answer: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    found = answer.get("data")
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _id(webhook: object) -> str:
    found = text(webhook.get("id")) if isinstance(webhook, dict) else None
    if found is None or not found.isdecimal():
        raise ApiAnswerError("Pipedrive answered a webhook without a number.")
    return found


def _detail(made: Sequence[str], kept: Sequence[Mapping[str, Any]]) -> str:
    """What was done, and the last failures that Pipedrive remembers."""
    failing = [
        f"{text(one.get('event_object'))} was last answered {status}"
        for one in kept
        if (status := text(one.get("last_http_status"))) and status.isdecimal() and int(status) not in _WELL
    ]
    return "; ".join([*([f"made: {', '.join(made)}"] if made else []), *failing])
