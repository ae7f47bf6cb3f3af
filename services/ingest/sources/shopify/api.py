"""Shopify's REST Admin API: objects by id and by time of change, and the webhook subscriptions of the app."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from services.ingest.sources.adapter import Account, Record
from services.ingest.sources.api import NOTHING, Changed, Reach, StageFound, Subscription
from services.ingest.sources.calling import (
    ApiAnswerError,
    Authorization,
    Calling,
    CredentialsError,
    FixedHeaders,
    OAuthToken,
)
from services.ingest.sources.payload import text
from services.ingest.sources.shopify.adapter import DELETIONS, KINDS, is_reachable
from shared.contracts.strict_json import dumped
from shared.contracts.values import write_instant

TOPICS = (
    "orders/create", "orders/updated", "orders/paid", "orders/cancelled", "orders/delete",
    "refunds/create", "order_transactions/create",
    "customers/create", "customers/update", "customers/delete",
    "products/create", "products/update", "products/delete",
)  # fmt: skip
_PAGE = 50
"""Of 250 that are allowed: each order of a page takes a call for its transactions."""
_MOST = "250"
_UNPAID = (None, "pending", "authorized", "expired", "voided")


def connect(account: Account, calling: Calling) -> Reach:
    """The API and the keeper of its webhooks, if there are credentials."""
    if not is_reachable(account):
        return NOTHING
    shop = _Shop(account, calling)
    return Reach(api=ShopifyApi(shop, pays=account.settings.payments), keeper=ShopifyKeeper(shop))


class _AccessToken:
    """The token of the client credentials grant: it lasts a day, and Shopify wants it in a header of its own."""

    def __init__(self, token: OAuthToken) -> None:
        self._token = token

    async def headers(self, calling: Calling) -> Mapping[str, str]:
        """Raises CredentialsError when the shop gives no token."""
        bearer = (await self._token.headers(calling))["authorization"]
        return {"x-shopify-access-token": bearer.partition(" ")[2]}

    def refused(self) -> bool:
        return self._token.refused()


def _authorization(account: Account, root: str, calling: Calling) -> Authorization:
    settings = account.settings
    if settings.access_token:
        return FixedHeaders({"x-shopify-access-token": settings.access_token})
    form = {
        "grant_type": "client_credentials",
        "client_id": settings.client_id,
        "client_secret": account.secrets[0],
    }
    return _AccessToken(OAuthToken(f"{root}/admin/oauth/access_token", form, calling.clock))


class _Shop:
    """Where the shop is, and with what it is asked."""

    def __init__(self, account: Account, calling: Calling) -> None:
        root = account.settings.api_url.replace("{shop}", account.settings.shop).rstrip("/")
        self.calling = calling
        self._root = f"{root}/admin/api/{account.settings.api_version}"
        self._authorization = _authorization(account, root, calling)

    async def page(self, path: str, member: str, query: Mapping[str, str]) -> tuple[list[dict[str, Any]], str | None]:
        """A list, and what to ask for its next page."""
        answer, following = await self.calling.linked(
            f"{self._root}/{path}.json", authorization=self._authorization, query=query
        )
        found = answer.get(member) if isinstance(answer, dict) else None
        if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
            raise ApiAnswerError(f"Shopify answered without {member}.")
        # Of the address only its cursor is used: an answer never decides whom our token goes to.
        cursor = parse_qs(urlsplit(following or "").query).get("page_info", [None])[0]
        return found, cursor

    async def post(self, path: str, body: object) -> Any:
        """Make something."""
        return await self.calling.json(
            "POST", f"{self._root}/{path}.json", authorization=self._authorization, body=body
        )


class ShopifyApi:
    """Reads one shop."""

    at_once = _PAGE

    def __init__(self, shop: _Shop, *, pays: bool) -> None:
        self._shop = shop
        self._pays = pays

    async def read(self, kind: str, ids: Sequence[str]) -> Sequence[Record]:
        """The objects as they are now. What is not listed says nothing, unless its deletion was told of: then it is
        gone if no kind of object has its id."""
        read_at = self._shop.calling.clock.now()
        found = [
            (one, item) for one in (KINDS if kind == DELETIONS else [kind]) for item in await self._listed(one, ids)
        ]
        if kind == DELETIONS:
            there = {text(item.get("id")) for _, item in found}
            return [Record(kind, identifier, read_at, b"", gone=identifier not in there) for identifier in ids]
        records = [await self._record(one, item, read_at) for one, item in found]
        there = {record.id for record in records}
        return [*records, *(Record(kind, one, read_at, b"") for one in ids if one not in there)]

    async def changed(self, kind: str, since: datetime, until: datetime, page: str | None) -> Changed:
        """By `updated_at`, which a refund, a payment and a fulfilment move too. Deleted objects are not told of."""
        if kind == DELETIONS:
            return Changed([])
        read_at = self._shop.calling.clock.now()
        span = {"updated_at_min": write_instant(since), "updated_at_max": write_instant(until)}
        first = {"order": "updated_at asc", **span, **_any_status(kind)}
        chosen = {"page_info": page} if page else first
        found, following = await self._shop.page(kind, kind, {"limit": str(_PAGE), **chosen})
        return Changed([await self._record(kind, item, read_at) for item in found], following)

    async def stages(self) -> Sequence[StageFound]:
        """A shop has no deals; asking for one of its orders shows that the credentials are good."""
        await self._shop.page("orders", "orders", {"limit": "1", "fields": "id", **_any_status("orders")})
        return []

    async def _listed(self, kind: str, ids: Sequence[str]) -> list[dict[str, Any]]:
        found, _ = await self._shop.page(kind, kind, {"ids": ",".join(ids), "limit": _MOST, **_any_status(kind)})
        return found

    async def _record(self, kind: str, item: dict[str, Any], read_at: datetime) -> Record:
        identifier = text(item.get("id"))
        if identifier is None:
            raise ApiAnswerError(f"Shopify answered one of the {kind} without its id.")
        if kind == "orders" and self._pays and text(item.get("financial_status")) not in _UNPAID:
            query = {"in_shop_currency": "true"}
            moved, _ = await self._shop.page(f"orders/{identifier}/transactions", "transactions", query)
            item = item | {"transactions": moved}
        return Record(kind, identifier, read_at, dumped(item))


def _any_status(kind: str) -> dict[str, str]:
    """Without it only open orders are listed."""
    return {"status": "any"} if kind == "orders" else {}


class ShopifyKeeper:
    """Shopify deletes a subscription after eight failed deliveries in a row: what is missing is made again."""

    def __init__(self, shop: _Shop) -> None:
        self._shop = shop

    async def keep(self, url: str, known: Subscription | None) -> Subscription:
        """One subscription a topic."""
        found, _ = await self._shop.page("webhooks", "webhooks", {"address": url, "limit": _MOST})
        there = {text(one.get("topic")): text(one.get("id")) or "" for one in found if text(one.get("address")) == url}
        made: list[str] = []
        refused: list[str] = []
        for topic in TOPICS:
            if topic not in there and (identifier := await self._make(topic, url)):
                there[topic] = identifier
                made.append(topic)
            elif topic not in there:
                refused.append(topic)
        if not there:
            raise CredentialsError("Shopify lets this app make no webhook: check its scopes.")
        again = "made again" if known else "made"
        said = [f"{again}: {', '.join(made)}"] if made else []
        said += [f"not allowed (scopes of the app): {', '.join(refused)}"] if refused else []
        return Subscription(",".join(sorted(there.values())), None, "; ".join(said) or f"{len(there)} topics")

    async def _make(self, topic: str, url: str) -> str:
        """Its id; empty if the app may not hear of this topic."""
        try:
            answer = await self._shop.post("webhooks", {"webhook": {"topic": topic, "address": url, "format": "json"}})
        except (ApiAnswerError, CredentialsError):
            return ""
        made = answer.get("webhook") if isinstance(answer, dict) else None
        return (text(made.get("id")) or "") if isinstance(made, dict) else ""
