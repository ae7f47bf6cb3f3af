"""Zoho CRM's REST API v8 as documented: tokens, records, COQL, deleted records, pipelines and channels."""

import re
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from shared.kernel.clock import Clock
from tests.integration.sources.serving import serving

_QUERY = re.compile(
    r"select id, Modified_Time from (\w+) where "
    r"\(+Modified_Time >= '([^']+)'\)(?: and \(id > '(\d+)'\)\))? order by id asc limit 0, (\d+)"
)
_LARGEST = {"ids": 100, "page": 200, "token": 50}
_WEEK = timedelta(days=7)
_ALONE = ("Ordered_Items", "Invoiced_Items")


@dataclass(slots=True)
class FakeZoho:
    """An organisation with records by module and id."""

    clock: Clock
    records: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    deleted: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    channels: dict[str, dict[str, Any]] = field(default_factory=dict)
    refresh_token: str = "refresh-1"
    tokens: int = 0
    expired: bool = False
    """The last token is not accepted any more."""
    busy: int = 0
    """How many calls are answered 429 first."""
    errors: list[tuple[int, str]] = field(default_factory=list)
    """Status and code with which the next calls are answered."""
    deleted_page: int = 200
    longest: timedelta = _WEEK
    """Who asks for more of a channel gets an hour."""
    forgets_after_a_look: bool = False
    """A channel ends right after it was looked at."""
    calls: list[str] = field(default_factory=list)

    def serving(self) -> AbstractAsyncContextManager[str]:
        """Its address, while it serves."""
        routes = [
            Route("/oauth/v2/token", self._token, methods=["POST"]),
            Route("/crm/v8/coql", self._guarded(self._coql), methods=["POST"]),
            Route("/crm/v8/actions/watch", self._guarded(self._watch), methods=["GET", "POST", "PATCH"]),
            Route("/crm/v8/settings/layouts", self._guarded(self._layouts)),
            Route("/crm/v8/settings/pipeline", self._guarded(self._pipelines)),
            Route("/crm/v8/{module}/deleted", self._guarded(self._deleted)),
            Route("/crm/v8/{module}/{id}", self._guarded(self._one)),
            Route("/crm/v8/{module}", self._guarded(self._many)),
        ]
        return serving(routes)

    async def _token(self, request: Request) -> Response:
        """A wrong refresh token is an error inside 200."""
        form = dict(part.split("=", 1) for part in (await request.body()).decode().split("&"))
        if form["refresh_token"] != self.refresh_token or form["grant_type"] != "refresh_token":
            return JSONResponse({"error": "invalid_code"})
        self.tokens += 1
        self.expired = False
        return JSONResponse({"access_token": f"token-{self.tokens}", "expires_in": 3600, "token_type": "Bearer"})

    def _guarded(self, endpoint: Any) -> Any:
        async def guarded(request: Request) -> Response:
            if self.expired or request.headers.get("authorization") != f"Zoho-oauthtoken token-{self.tokens}":
                return _error(401, "INVALID_TOKEN")
            if self.busy:
                self.busy -= 1
                return JSONResponse({"code": "TOO_MANY_REQUESTS"}, 429, headers={"retry-after": "7"})
            if self.errors:
                return _error(*self.errors.pop(0))
            self.calls.append(f"{request.method} {request.url.path.removeprefix('/crm/v8/')}")
            answer: Response = await endpoint(request)
            return answer

        return guarded

    async def _coql(self, request: Request) -> Response:
        found = _QUERY.fullmatch((await request.json())["select_query"])
        if not found:
            return _error(400, "SYNTAX_ERROR")
        module, since, after, limit = found.groups()
        rows = [
            {"id": one["id"], "Modified_Time": one["Modified_Time"]}
            for one in sorted(self.records.get(module, {}).values(), key=lambda one: int(one["id"]))
            if _time(one["Modified_Time"]) >= _time(since) and int(one["id"]) > int(after or 0)
        ]
        return _rows(rows[: int(limit)], more=len(rows) > int(limit))

    async def _many(self, request: Request) -> Response:
        """Rows of documents are left out of lists; what is not there is passed over."""
        ids, fields = request.query_params["ids"].split(","), request.query_params["fields"].split(",")
        if len(ids) > _LARGEST["ids"] or len(fields) > 50:
            return _error(400, "LIMIT_EXCEEDED")
        module = self.records.get(request.path_params["module"], {})
        wanted = {"id", *fields} - set(_ALONE)
        return _rows([{k: v for k, v in module[one].items() if k in wanted} for one in ids if one in module])

    async def _one(self, request: Request) -> Response:
        found = self.records.get(request.path_params["module"], {}).get(request.path_params["id"])
        return _rows([found]) if found else _error(404, "INVALID_DATA")

    async def _deleted(self, request: Request) -> Response:
        since, page = _time(request.headers["if-modified-since"]), int(request.query_params["page"])
        found = [
            one for one in self.deleted.get(request.path_params["module"], []) if _time(one["deleted_time"]) >= since
        ]
        if not found:
            return Response(status_code=304)
        begin, end = (page - 1) * self.deleted_page, page * self.deleted_page
        return _rows(found[begin:end], more=len(found) > end)

    async def _layouts(self, request: Request) -> Response:
        assert request.query_params["module"] == "Deals"
        return JSONResponse({"layouts": [{"id": "1", "name": "Standard"}, {"id": "2", "name": "Partners"}]})

    async def _pipelines(self, request: Request) -> Response:
        if request.query_params["layout_id"] == "2":
            return Response(status_code=204)
        maps = [
            _stage("Closed Won", 2, "Closed Won"),
            _stage("Qualification", 1, "Open"),
            _stage("Closed Lost", 3, "Closed Lost"),
        ]
        name = "Standard (Standard)"
        return JSONResponse({"pipeline": [{"id": "1", "display_value": name, "actual_value": name, "maps": maps}]})

    async def _watch(self, request: Request) -> Response:
        if request.method == "GET":
            found = self._alive(request.query_params["channel_id"])
            if self.forgets_after_a_look:
                self.channels.clear()
            return JSONResponse({"watch": _entries(found), "info": {"count": 1}}) if found else _error(204, "")
        (wanted,) = (await request.json())["watch"]
        there = self._alive(wanted["channel_id"])
        if request.method == "PATCH" and not there:
            return _error(400, "NOT_SUBSCRIBED", "watch")
        if len(wanted["token"]) > _LARGEST["token"] or not wanted["notify_url"].startswith("https://"):
            return _error(202, "INVALID_DATA", "watch")
        ends = _time(wanted["channel_expiry"])
        if ends > self.clock.now() + self.longest:
            ends = self.clock.now() + min(self.longest, timedelta(hours=1))
            wanted["channel_expiry"] = ends.isoformat()
        self.channels[wanted["channel_id"]] = {**(there or {}), **wanted}
        events = _entries(self.channels[wanted["channel_id"]])
        said = {
            "code": "SUCCESS",
            "details": {"events": events},
            "message": "Successfully subscribed",
            "status": "success",
        }
        return JSONResponse({"watch": [said]}, 201 if request.method == "POST" else 200)

    def _alive(self, channel: str) -> dict[str, Any] | None:
        found = self.channels.get(channel)
        return found if found and _time(found["channel_expiry"]) > self.clock.now() else None


def _entries(channel: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "channel_expiry": channel["channel_expiry"],
            "resource_name": event.partition(".")[0],
            "channel_id": channel["channel_id"],
            "notify_url": channel["notify_url"],
            "token": channel["token"],
            "events": [event],
        }
        for event in channel["events"]
    ]


def _stage(name: str, place: int, kind: str) -> dict[str, Any]:
    return {"display_value": name, "actual_value": name, "sequence_number": place, "forecast_type": kind, "id": name}


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _rows(rows: list[dict[str, Any]], *, more: bool = False) -> Response:
    if not rows:
        return Response(status_code=204)
    return JSONResponse({"data": rows, "info": {"count": len(rows), "more_records": more}})


def _error(status: int, code: str, wrapper: str = "") -> Response:
    if status == 204:
        return Response(status_code=204)
    said = {"code": code, "details": {}, "message": "refresh-1 is wrong", "status": "error"}
    return JSONResponse({wrapper: [said]} if wrapper else said, status)
