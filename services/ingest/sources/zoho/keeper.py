"""Keeps the notification channel of one Zoho organisation: it lives a week at most and is renewed in its middle."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from services.ingest.sources.adapter import Account
from services.ingest.sources.api import Subscription
from services.ingest.sources.calling import ApiAnswerError, CredentialsError
from services.ingest.sources.payload import instant, text
from services.ingest.sources.zoho.session import Session
from services.ingest.sources.zoho.settings import ZohoSettings, channel_of
from shared.kernel.errors import MalformedError

LIFETIME = timedelta(days=6, hours=12)
"""Zoho takes no more than a week, and falls back to an hour for more."""
RENEW_BEFORE = timedelta(days=3, hours=12)
_LONGEST_TOKEN = 50
_PATH = "actions/watch"


class ZohoKeeper:
    """The channel of one source."""

    def __init__(self, account: Account, session: Session) -> None:
        self._settings: ZohoSettings = account.settings
        self._token = account.secrets[0] if account.secrets else ""
        self._channel = channel_of(account)
        self._session = session

    async def keep(self, url: str, known: Subscription | None) -> Subscription:
        """Created if there is none, changed if it is another than we want or nears its end. Zoho is asked what there
        is: `known` may be outdated."""
        del known
        if not 0 < len(self._token) <= _LONGEST_TOKEN:
            raise CredentialsError("Zoho takes a token of 1 to 50 characters: give this source such a secret.")
        now = self._session.clock.now()
        there = await self._there()
        ends = _ends(there)
        if self._is_wanted(there, url) and ends is not None and ends - now > RENEW_BEFORE:
            return Subscription(self._channel, ends)
        until = (now + LIFETIME).astimezone(UTC).replace(microsecond=0)
        wanted = {"watch": [self._wanted(url, until)]}
        if there:
            try:
                return self._kept(await self._session.call("PATCH", _PATH, body=wanted), until, "renewed")
            except ApiAnswerError:
                pass  # it ended in the meantime (NOT_SUBSCRIBED), or is broken: made anew
        return self._kept(await self._session.call("POST", _PATH, body=wanted), until, "created")

    async def _there(self) -> Sequence[Mapping[str, Any]]:
        """An entry for each module; none if Zoho does not know the channel, which it may say as an error."""
        try:
            answer = await self._session.call("GET", _PATH, query={"channel_id": self._channel})
        except ApiAnswerError:
            return ()
        return _items((answer or {}).get("watch"))

    def _wanted(self, url: str, until: datetime) -> Mapping[str, object]:
        return {
            "channel_id": self._channel,
            "events": self._events(),
            "channel_expiry": until.isoformat(),
            "token": self._token,
            "notify_url": url,
            "notify_on_related_action": False,
            "return_affected_field_values": False,
        }

    def _events(self) -> list[str]:
        return [f"{module}.all" for module in self._settings.modules]

    def _is_wanted(self, there: Sequence[Mapping[str, Any]], url: str) -> bool:
        heard: set[str] = set()
        for one in there:
            events = one.get("events")
            heard |= {str(event) for event in events} if isinstance(events, list) else set()
        ours = all(one.get("notify_url") == url and one.get("token") == self._token for one in there)
        return ours and heard == set(self._events())

    def _kept(self, answer: Mapping[str, Any] | None, until: datetime, done: str) -> Subscription:
        said = _items((answer or {}).get("watch"))
        if not said:
            raise ApiAnswerError("Zoho does not say what became of the channel.")
        for one in said:
            self._session.check(one)
        details = [one["details"] for one in said if isinstance(one.get("details"), dict)]
        ends = _ends([event for one in details for event in _items(one.get("events"))])
        return Subscription(self._channel, ends or until, done)


def _items(value: object) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _ends(entries: Sequence[Mapping[str, Any]]) -> datetime | None:
    """When the first of them ends; None if one does not say."""
    try:
        return min((instant(text(one.get("channel_expiry"))) for one in entries), default=None)
    except MalformedError:
        return None
