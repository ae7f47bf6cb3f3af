"""A shop as its REST Admin API is documented: ids, `updated_at`, pages by `Link`, a bucket that leaks, day-long tokens,
webhook subscriptions that it deletes."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.integration.sources.serving import serving

_ROOT = "/admin/api/2026-01"


@dataclass(slots=True)
class FakeShop:
    """Its objects by kind, and the transactions of its orders by order id."""

    token: str = "shpat_1"
    objects: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    transactions: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    webhooks: list[dict[str, Any]] = field(default_factory=list)
    largest_page: int = 250
    busy: int = 0
    """How many calls are answered 429 first."""
    tokens: list[str] = field(default_factory=list)
    """What the client credentials grant gives, one after the other."""
    without_scope: tuple[str, ...] = ()
    link_host: str = ""
    """Where the `Link` header points to, if not to the shop itself."""
    calls: list[str] = field(default_factory=list)
    _cursors: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def serving(self) -> AbstractAsyncContextManager[str]:
        """Its address, while it serves."""
        routes = [
            Route("/admin/oauth/access_token", self._grant, methods=["POST"]),
            Route(f"{_ROOT}/webhooks.json", self._webhooks, methods=["GET", "POST"]),
            Route(f"{_ROOT}/orders/{{id}}/transactions.json", self._moved),
            Route(f"{_ROOT}/{{kind}}.json", self._list),
        ]
        return serving(routes)

    async def _grant(self, request: Request) -> Response:
        form = await request.form()
        fine = (form["grant_type"], form["client_id"], form["client_secret"]) == ("client_credentials", "id-1", "s1")
        if not fine or not self.tokens:
            return JSONResponse({"error": "invalid_client"}, 400)
        self.token = self.tokens.pop(0)
        return JSONResponse({"access_token": self.token, "scope": "read_orders", "expires_in": 86399})

    def _refused(self, request: Request) -> Response | None:
        self.calls.append(f"{request.method} {request.url.path.removeprefix(_ROOT)}?{request.url.query}")
        if request.headers.get("x-shopify-access-token") != self.token:
            return JSONResponse({"errors": "[API] Invalid API key or access token"}, 401)
        if self.busy:
            self.busy -= 1
            headers = {"retry-after": "2.0", "x-shopify-shop-api-call-limit": "40/40"}
            return JSONResponse({"errors": "Exceeded 2 calls per second for api client."}, 429, headers=headers)
        return None

    async def _list(self, request: Request) -> Response:
        if refused := self._refused(request):
            return refused
        kind, query = request.path_params["kind"], dict(request.query_params)
        if cursor := query.get("page_info"):
            if set(query) - {"page_info", "limit", "fields"}:
                return JSONResponse({"errors": {"page_info": "cannot be passed with other filters"}}, 400)
            found = self._cursors[cursor]
        else:
            found = [one for one in self.objects.get(kind, []) if _matches(kind, one, query)]
            found.sort(key=lambda one: (one["updated_at"], one["id"]))
        size = min(int(query.get("limit", "50")), self.largest_page)
        headers = self._link(request, kind, found[size:], size)
        return JSONResponse({kind: found[:size]}, headers=headers)

    def _link(self, request: Request, kind: str, rest: list[dict[str, Any]], size: int) -> dict[str, str]:
        if not rest:
            return {}
        cursor = f"cursor-{len(self._cursors)}"
        self._cursors[cursor] = rest
        host = self.link_host or str(request.base_url).rstrip("/")
        address = f"{host}{_ROOT}/{kind}.json?{urlencode({'limit': size, 'page_info': cursor})}"
        return {"link": f'<{host}/before>; rel="previous", <{address}>; rel="next"'}

    async def _moved(self, request: Request) -> Response:
        if refused := self._refused(request):
            return refused
        found = self.transactions.get(request.path_params["id"], [])
        if request.query_params.get("in_shop_currency") != "true":
            found = [{**one, **one.get("seen", {})} for one in found]
        return JSONResponse({"transactions": [{k: v for k, v in one.items() if k != "seen"} for one in found]})

    async def _webhooks(self, request: Request) -> Response:
        if refused := self._refused(request):
            return refused
        if request.method == "GET":
            address = request.query_params["address"]
            return JSONResponse({"webhooks": [one for one in self.webhooks if one["address"] == address]})
        made = (await request.json())["webhook"]
        if made["topic"].startswith(self.without_scope or ("?",)):
            return JSONResponse({"errors": {"topic": ["Invalid topic specified"]}}, 422)
        made["id"] = 900 + len(self.calls)
        self.webhooks.append(made)
        return JSONResponse({"webhook": made}, 201)


def _matches(kind: str, found: dict[str, Any], query: dict[str, str]) -> bool:
    if "ids" in query and str(found["id"]) not in query["ids"].split(","):
        return False
    if kind == "orders" and found.get("closed") and query.get("status") != "any":
        return False
    changed = datetime.fromisoformat(found["updated_at"])
    since, until = query.get("updated_at_min"), query.get("updated_at_max")
    after = since is None or changed >= datetime.fromisoformat(since)
    return after and (until is None or changed <= datetime.fromisoformat(until))
