"""An account as Stripe's API is documented: newest first, cursors by id, expansion on request, events for 30 days."""

from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.integration.sources.serving import serving

_DELETED = ("customers",)
"""What is still answered when it is deleted, as a stub."""
_ABSENT = {"error": {"type": "invalid_request_error", "code": "resource_missing", "message": "No such object"}}


@dataclass(slots=True)
class FakeStripe:
    """Objects by path, oldest first; `expanded` holds what a field is expanded to, by the id that stands in it."""

    key: str = "rk_1"
    objects: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    expanded: dict[str, Any] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    largest_page: int = 100
    busy: int = 0
    """How many calls are answered 429 first."""
    no_webhooks: bool = False
    """The key may not see webhook endpoints."""
    calls: list[str] = field(default_factory=list)
    versions: set[str] = field(default_factory=set)

    def serving(self) -> AbstractAsyncContextManager[str]:
        """Its address, while it serves."""
        routes = [
            Route("/v1/{path}", self._list),
            Route("/v1/{path}/{id}", self._one),
            Route("/v1/webhook_endpoints/{id}", self._endpoint, methods=["POST"]),
            Route("/v1/{path}/{id}/lines", self._lines),
        ]
        return serving(routes)

    def tell(self, kind: str, subject: dict[str, Any], created: int) -> None:
        """Something happened: there is an event about it."""
        event = {"id": f"evt_{len(self.objects.get('events', []))}", "object": "event", "type": kind}
        self.objects.setdefault("events", []).append({**event, "created": created, "data": {"object": subject}})

    def _refused(self, request: Request) -> Response | None:
        self.calls.append(f"{request.method} {request.url.path}?{request.url.query}")
        self.versions.add(request.headers.get("stripe-version", ""))
        if request.headers.get("authorization") != f"Bearer {self.key}":
            return JSONResponse({"error": {"type": "invalid_request_error", "message": "Invalid API Key"}}, 401)
        if self.no_webhooks and "webhook_endpoints" in request.url.path:
            return JSONResponse({"error": {"message": "The provided key does not have the required permissions"}}, 403)
        if self.busy:
            self.busy -= 1
            return JSONResponse({"error": {"code": "rate_limit"}}, 429, headers={"retry-after": "3"})
        return None

    async def _list(self, request: Request) -> Response:
        if refused := self._refused(request):
            return refused
        query = dict(request.query_params)
        found = [one for one in reversed(self.objects.get(request.path_params["path"], [])) if _matches(one, query)]
        return JSONResponse(self._page(found, query))

    async def _lines(self, request: Request) -> Response:
        if refused := self._refused(request):
            return refused
        lines = self.objects.get(f"{request.path_params['id']}/lines", [])
        return JSONResponse(self._page(lines, dict(request.query_params)))

    def _page(self, found: list[dict[str, Any]], query: dict[str, str]) -> dict[str, Any]:
        if after := query.get("starting_after"):
            found = found[[one["id"] for one in found].index(after) + 1 :]
        size = min(int(query.get("limit", "10")), self.largest_page)
        return {"object": "list", "data": found[:size], "has_more": len(found) > size}

    async def _one(self, request: Request) -> Response:
        if refused := self._refused(request):
            return refused
        path, identifier = request.path_params["path"], request.path_params["id"]
        if identifier in self.deleted and path in _DELETED:
            return JSONResponse({"id": identifier, "object": path.removesuffix("s"), "deleted": True})
        for found in self.objects.get(path, []):
            if found["id"] == identifier and identifier not in self.deleted:
                names = [value for name, value in request.query_params.items() if name.startswith("expand[")]
                return JSONResponse(self._with(found, names))
        return JSONResponse(_ABSENT, 404)

    def _with(self, found: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
        beside = {name: self.expanded.get(f"{found['id']}/{name}", found.get(name)) for name in names}
        return found | {name: self.expanded.get(str(value), value) for name, value in beside.items()}

    async def _endpoint(self, request: Request) -> Response:
        if refused := self._refused(request):
            return refused
        if request.headers["content-type"] != "application/x-www-form-urlencoded":
            return JSONResponse({"error": {"message": "Invalid request"}}, 400)
        form = dict(parse_qsl((await request.body()).decode()))
        for found in self.objects["webhook_endpoints"]:
            if found["id"] == request.path_params["id"]:
                found["status"] = "enabled" if form == {"disabled": "false"} else found["status"]
                return JSONResponse(found)
        return JSONResponse(_ABSENT, 404)


def _matches(found: dict[str, Any], query: dict[str, str]) -> bool:
    created = found.get("created", 0)
    fits = int(query.get("created[gte]", "0")) <= created < int(query.get("created[lt]", "9999999999"))
    named = [found.get(name) == query[name] for name in ("charge",) if name in query]
    if intent := query.get("payment[payment_intent]"):
        named.append(found["payment"].get("payment_intent") == intent)
    return fits and all(named) and fnmatchcase(found.get("type", ""), query.get("type", "*"))
