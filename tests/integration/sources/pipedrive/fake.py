"""Pipedrive's API as documented: v2 lists with cursors, filters and states, single objects, v1 users and webhooks, 429,
and errors inside a 200."""

import base64
import json
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.integration.sources.serving import serving

Item = dict[str, Any]
_LARGEST_PAGE = 500


@dataclass(slots=True)
class FakePipedrive:
    """A company with objects by kind."""

    token: str = "token-1"
    objects: dict[str, list[Item]] = field(default_factory=dict)
    webhooks: list[Item] = field(default_factory=list)
    page: int = _LARGEST_PAGE
    busy: int = 0
    """How many calls are answered 429 first."""
    failing: bool = False
    """Answers 200 without success."""
    calls: list[tuple[str, str, Mapping[str, str]]] = field(default_factory=list)

    def serving(self) -> AbstractAsyncContextManager[str]:
        """Its address, while it serves."""
        routes = [
            Route("/api/v1/users", self._users),
            Route("/api/v1/users/{id}", self._single),
            Route("/api/v1/webhooks", self._webhooks, methods=["GET", "POST"]),
            Route("/api/v1/webhooks/{id}", self._webhook, methods=["DELETE"]),
            Route("/api/v2/deals/archived", self._list),
            Route("/api/v2/{kind}", self._list),
            Route("/api/v2/{kind}/{id}", self._single),
        ]
        return serving(routes)

    def _refused(self, request: Request) -> Response | None:
        self.calls.append((request.method, request.url.path, dict(request.query_params)))
        if request.headers.get("x-api-token") != self.token:
            return JSONResponse({"success": False, "error": "unauthorized access", "errorCode": 401}, 401)
        if self.busy:
            self.busy -= 1
            return JSONResponse({"success": False, "error": "rate limit"}, 429, headers={"retry-after": "2"})
        if self.failing:
            return JSONResponse({"success": False, "error": "Internal", "data": None})
        return None

    async def _users(self, request: Request) -> Response:
        return self._refused(request) or _answer(
            [user for user in self.objects.get("users", []) if not user.get("hidden")]
        )

    async def _list(self, request: Request) -> Response:
        if refused := self._refused(request):
            return refused
        archived = request.url.path.endswith("/archived")
        kind = "deals" if archived else request.path_params["kind"]
        query = dict(request.query_params)
        states = [one for one in query.get("status", "").split(",") if one]
        found = [
            item
            for item in self.objects.get(kind, [])
            if item.get("is_archived", False) is archived and _listed(item, states) and _in_window(item, query)
        ]
        if "ids" in query:
            found = [item for item in found if str(item["id"]) in query["ids"].split(",")]
        return self._page(found, query)

    def _page(self, found: list[Item], query: Mapping[str, str]) -> Response:
        name, down = query.get("sort_by", "id"), query.get("sort_direction") == "desc"
        found.sort(key=lambda item: (item.get(name) or "", item["id"]), reverse=down)
        start = json.loads(base64.b64decode(query["cursor"])) if "cursor" in query else 0
        size = min(int(query.get("limit", "100")), self.page)
        following = base64.b64encode(json.dumps(start + size).encode()).decode() if len(found) > start + size else None
        return _answer(found[start : start + size], {"next_cursor": following})

    async def _single(self, request: Request) -> Response:
        if refused := self._refused(request):
            return refused
        kind = request.path_params.get("kind", "users")
        for item in self.objects.get(kind, []):
            if str(item["id"]) == request.path_params["id"]:
                return _answer(item)
        return JSONResponse({"success": False, "error": "Entity not found", "code": "ERR_NOT_FOUND"}, 404)

    async def _webhooks(self, request: Request) -> Response:
        if refused := self._refused(request):
            return refused
        if request.method == "GET":
            return _answer(self.webhooks)
        asked = json.loads(await request.body())
        number = max((int(one["id"]) for one in self.webhooks), default=0) + 1
        made = {"id": number, "is_active": 1, "type": "general", "remove_time": None, "last_http_status": None, **asked}
        self.webhooks.append(made)
        return JSONResponse({"status": "ok", "success": True, "data": made}, 201)

    async def _webhook(self, request: Request) -> Response:
        if refused := self._refused(request):
            return refused
        left = [one for one in self.webhooks if str(one["id"]) != request.path_params["id"]]
        if len(left) == len(self.webhooks):
            return JSONResponse({"status": "error", "success": False, "errors": {"id": ["not found"]}}, 404)
        self.webhooks = left
        return JSONResponse({"status": "ok", "success": True})


def _answer(data: object, additional: Mapping[str, object] | None = None) -> Response:
    return JSONResponse({"success": True, "data": data, "additional_data": additional})


def _listed(item: Item, states: list[str]) -> bool:
    """Without states everything that is not deleted."""
    deleted = item.get("is_deleted") is True
    if "status" not in item:
        return not deleted
    return item["status"] in states if states else not deleted


def _in_window(item: Item, query: Mapping[str, str]) -> bool:
    """What never changed has no time of change, and no window holds it."""
    if "updated_since" not in query:
        return True
    at = item.get("update_time")
    return at is not None and query["updated_since"] <= at < query["updated_until"]
