"""HubSpot's API as documented: batches with status 207, the search with its limit, archived objects, associations,
owners, pipelines, OAuth with tokens that expire, an app's webhooks, 429."""

import json
import operator
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.integration.sources.serving import serving

Item = dict[str, Any]
_GREATEST_BATCH = 50
_COMPARE: Mapping[str, Callable[[int, int], bool]] = {
    "GTE": operator.ge,
    "LT": operator.lt,
    "GT": operator.gt,
    "EQ": operator.eq,
}


@dataclass(slots=True)
class FakeHubspot:
    """An account with objects by kind, and an app."""

    token: str = "token-1"
    objects: dict[str, list[Item]] = field(default_factory=dict)
    companies: dict[str, list[Item]] = field(default_factory=dict)
    """Of each deal."""
    owners: list[Item] = field(default_factory=list)
    pipelines: list[Item] = field(default_factory=list)
    most: int = 10_000
    """Results of one query."""
    busy: int = 0
    """How many calls are answered 429 first."""
    issued: int = 0
    """Tokens given by OAuth; only the last one is good."""
    app: Item | None = None
    subscriptions: list[Item] = field(default_factory=list)
    unknown_property: str = ""
    calls: list[tuple[str, str, Any]] = field(default_factory=list)

    def serving(self) -> AbstractAsyncContextManager[str]:
        """Its address, while it serves."""
        routes = [
            Route("/oauth/v1/token", self._token, methods=["POST"]),
            Route("/crm/v3/owners", self._owners),
            Route("/crm/v3/pipelines/deals", self._pipelines),
            Route("/crm/v3/objects/{kind}/batch/read", self._batch, methods=["POST"]),
            Route("/crm/v3/objects/{kind}/search", self._search, methods=["POST"]),
            Route("/crm/v3/objects/{kind}", self._list),
            Route("/crm/v4/associations/deals/companies/batch/read", self._associations, methods=["POST"]),
            Route("/webhooks/v3/{app}/settings", self._settings, methods=["GET", "PUT"]),
            Route("/webhooks/v3/{app}/subscriptions", self._subscriptions, methods=["GET", "POST"]),
            Route("/webhooks/v3/{app}/subscriptions/{id}", self._subscription, methods=["PATCH"]),
        ]
        return serving(routes)

    async def _body(self, request: Request) -> Any:
        raw = await request.body()
        said = json.loads(raw) if raw else None
        self.calls.append((request.method, request.url.path, said))
        return said

    def _refused(self, request: Request) -> Response | None:
        if request.url.path.startswith("/webhooks"):
            good = request.query_params.get("hapikey") == "developer-1"
        else:
            good = request.headers.get("authorization") == f"Bearer {self.token}"
        if not good:
            return JSONResponse({"status": "error", "category": "INVALID_AUTHENTICATION"}, 401)
        if self.busy:
            self.busy -= 1
            return JSONResponse({"status": "error", "errorType": "RATE_LIMIT"}, 429, headers={"retry-after": "3"})
        return None

    async def _token(self, request: Request) -> Response:
        form = parse_qs((await request.body()).decode())
        if form.get("refresh_token") != ["refresh-1"] or form.get("client_secret") != ["s1"]:
            return JSONResponse({"status": "BAD_REFRESH_TOKEN"}, 400)
        self.issued += 1
        self.token = f"oauth-{self.issued}"
        return JSONResponse({"access_token": self.token, "refresh_token": "refresh-1", "expires_in": 1800})

    async def _batch(self, request: Request) -> Response:
        said = await self._body(request)
        if refused := self._refused(request):
            return refused
        if len(said["inputs"]) > _GREATEST_BATCH and said["propertiesWithHistory"]:
            return JSONResponse({"status": "error", "category": "VALIDATION_ERROR"}, 400)
        ids = [one["id"] for one in said["inputs"]]
        archived = request.query_params.get("archived") == "true"
        found, missing = [], []
        for identifier in ids:
            item = self._one(request.path_params["kind"], identifier)
            if item is None or item.get("archived", False) is not archived:
                missing.append(identifier)
            else:
                found.append(item)
        if not missing:
            return JSONResponse({"status": "COMPLETE", "results": found})
        errors = [{"status": "error", "category": "OBJECT_NOT_FOUND", "context": {"ids": missing}}]
        return JSONResponse({"status": "COMPLETE", "results": found, "numErrors": 1, "errors": errors}, 207)

    def _one(self, kind: str, identifier: str) -> Item | None:
        """Who asks for an object that was merged away gets the one that stayed."""
        for item in self.objects.get(kind, []):
            merged = (item["properties"].get("hs_merged_object_ids") or "").split(";")
            if item["id"] == identifier or identifier in merged:
                return item
        return None

    async def _search(self, request: Request) -> Response:
        said = await self._body(request)
        if refused := self._refused(request):
            return refused
        start = int(said.get("after", "0"))
        if start + said["limit"] > self.most:
            return JSONResponse({"status": "error", "message": "paging beyond 10000"}, 400)
        (group,) = said["filterGroups"]
        (sort,) = said["sorts"]
        items = [item for item in self.objects.get(request.path_params["kind"], []) if not item.get("archived")]
        chosen = [item for item in items if all(_holds(item, one) for one in group["filters"])]
        chosen.sort(key=lambda item: _number(item, sort["propertyName"]))
        shown = [
            {"id": item["id"], "properties": {name: item["properties"][name] for name in said["properties"]}}
            for item in chosen[start : start + said["limit"]]
        ]
        following = start + said["limit"]
        paging = {"paging": {"next": {"after": str(following)}}} if following < len(chosen) else {}
        return JSONResponse({"total": len(chosen), "results": shown, **paging})

    async def _list(self, request: Request) -> Response:
        archived = request.query_params.get("archived") == "true"
        objects = self.objects.get(request.path_params["kind"], [])
        items = [item for item in objects if item.get("archived", False) is archived]
        return self._refused(request) or _page(items, request.query_params)

    async def _associations(self, request: Request) -> Response:
        said = await self._body(request)
        found = [
            {"from": {"id": one["id"]}, "to": self.companies[one["id"]]}
            for one in said["inputs"]
            if one["id"] in self.companies
        ]
        return self._refused(request) or JSONResponse({"status": "COMPLETE", "results": found})

    async def _owners(self, request: Request) -> Response:
        archived = request.query_params.get("archived") == "true"
        items = [item for item in self.owners if item.get("archived", False) is archived]
        return self._refused(request) or _page(items, request.query_params)

    async def _pipelines(self, request: Request) -> Response:
        return self._refused(request) or JSONResponse({"results": self.pipelines})

    async def _settings(self, request: Request) -> Response:
        said = await self._body(request)
        if refused := self._refused(request):
            return refused
        if request.method == "PUT":
            self.app = said
        return JSONResponse(self.app) if self.app else JSONResponse({"status": "error", "message": "none"}, 404)

    async def _subscriptions(self, request: Request) -> Response:
        said = await self._body(request)
        if refused := self._refused(request):
            return refused
        if request.method == "GET":
            return JSONResponse({"results": self.subscriptions})
        if said.get("propertyName") == self.unknown_property != "":
            return JSONResponse({"status": "error", "category": "VALIDATION_ERROR"}, 400)
        made = {"id": str(len(self.subscriptions) + 1), **said}
        self.subscriptions.append(made)
        return JSONResponse(made, 201)

    async def _subscription(self, request: Request) -> Response:
        said = await self._body(request)
        (found,) = [one for one in self.subscriptions if one["id"] == request.path_params["id"]]
        found |= said
        return self._refused(request) or JSONResponse(found)


def _page(items: list[Item], query: Mapping[str, str]) -> Response:
    start, limit = int(query.get("after", "0")), min(int(query.get("limit", "10")), 2)
    paging = {"paging": {"next": {"after": str(start + limit)}}} if start + limit < len(items) else {}
    return JSONResponse({"results": items[start : start + limit], **paging})


def _holds(item: Item, condition: Mapping[str, str]) -> bool:
    return _COMPARE[condition["operator"]](_number(item, condition["propertyName"]), int(condition["value"]))


def _number(item: Item, name: str) -> int:
    """Times compare as milliseconds."""
    value = item["properties"][name]
    return int(value) if value.isdecimal() else round(datetime.fromisoformat(value).timestamp() * 1000)
