"""Fxiaoke's open API as documented: the token in the body, limits of a query, every error inside HTTP 200."""

import asyncio
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from tests.integration.sources.serving import serving

_LARGEST_PAGE, _LARGEST_OFFSET = 100, 10_000
_APP = {"appId": "FSAID_1", "appSecret": "secret-1", "permanentCode": "code-1"}
_DETAILS = ("details",)


def _opened() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


@dataclass(slots=True)
class FakeFxiaoke:
    """An enterprise with objects by kind and id."""

    objects: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    lifetime: int = 7200
    errors: list[int] = field(default_factory=list)
    """Numbers with which the next calls for data are answered."""
    refusals: int = 0
    """How many calls are answered 429 first."""
    failing: Response | None = None
    """What every call for data is answered with, while it stands."""
    open: asyncio.Event = field(default_factory=_opened)
    """While it is not set, no object that was asked for is handed out."""
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when an object was asked for."""
    stale: bool = False
    """No token is accepted any more."""
    tokens: list[str] = field(default_factory=list)
    calls: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    traces: set[str] = field(default_factory=set)
    _fetching: int = 0

    def serving(self) -> AbstractAsyncContextManager[str]:
        """Its address, while it serves."""
        routes = [
            Route("/cgi/corpAccessToken/get/V2", self._token, methods=["POST"]),
            *(Route(f"/cgi/{path}", self._data, methods=["POST"]) for path in _PATHS),
        ]
        return serving(routes)

    async def _token(self, request: Request) -> Response:
        """One at a time, as the vendor demands."""
        self._fetching += 1
        try:
            asked = await request.json()
            await asyncio.sleep(0)
            if self._fetching > 1:
                return _error(14001)
            if asked != _APP:
                return _error(10006)
            self.tokens.append(f"token-{len(self.tokens) + 1}")
            said = {"corpAccessToken": self.tokens[-1], "corpId": "FSCID_1", "expiresIn": self.lifetime}
            return _fine(said)
        finally:
            self._fetching -= 1

    async def _data(self, request: Request) -> Response:
        path, body = request.url.path.removeprefix("/cgi/"), await request.json()
        trace = UUID(request.query_params["thirdTraceId"], version=4).hex
        assert trace not in self.traces
        self.traces.add(trace)
        if self.failing is not None:
            return self.failing
        if self.refusals:
            self.refusals -= 1
            return PlainTextResponse("slow down", 429, headers={"retry-after": "7"})
        if self.stale or not self.tokens or body.get("corpAccessToken") != self.tokens[-1]:
            return _error(20016)
        if self.errors:
            return _error(self.errors.pop(0))
        if path != "user/getByMobile" and body.get("currentOpenUserId") != "FSUID_1":
            return _error(20012)
        self.calls.append((path, body.get("data", body)))
        answer = _PATHS[path](self, body)
        if path == "crm/v2/data/get":
            self.asked.set()
            await self.open.wait()
        return answer

    def _by_mobile(self, body: Mapping[str, Any]) -> Response:
        known = body["mobile"] == "13800000000"
        return _fine({"empList": [{"openUserId": "FSUID_1", "account": "admin"}] if known else []})

    def _get(self, body: Mapping[str, Any]) -> Response:
        asked = body["data"]
        found = self.objects.get(asked["dataObjectApiName"], {}).get(asked["objectDataId"])
        return _fine({"data": found}) if found else _error(320002403)

    def _query(self, body: Mapping[str, Any]) -> Response:
        asked = body["data"]
        search = asked["search_query_info"]
        limit, offset = search["limit"], search["offset"]
        if offset > _LARGEST_OFFSET:
            return _error(10013)
        if limit > _LARGEST_PAGE or offset % limit:
            return _error(15002)
        found = [one for one in self.objects.get(asked["dataObjectApiName"], {}).values() if _fits(one, search)]
        for order in reversed(search["orders"]):
            found.sort(key=itemgetter(order["fieldName"]), reverse=not order["isAsc"])
        rows = [{k: v for k, v in one.items() if k not in _DETAILS} for one in found[offset : offset + limit]]
        return _fine({"data": {"dataList": rows, "offset": offset, "limit": limit, "total": 0}})

    def _describe(self, body: Mapping[str, Any]) -> Response:
        options = [
            {"label": "验证客户", "value": "1"},
            {"label": "赢单", "value": "5"},
            {"label": "输单", "value": "6"},
        ]
        stage = {"api_name": "sales_stage", "label": "商机阶段", "type": "select_one", "options": options}
        fields = {"sales_stage": stage, "name": {"api_name": "name", "type": "text"}}
        return _fine({"data": {"describe": {"api_name": body["data"]["apiName"], "fields": fields}}})


_PATHS = {
    "user/getByMobile": FakeFxiaoke._by_mobile,
    "crm/v2/data/get": FakeFxiaoke._get,
    "crm/v2/data/query": FakeFxiaoke._query,
    "crm/v2/object/describe": FakeFxiaoke._describe,
}


def _fits(found: Mapping[str, Any], search: Mapping[str, Any]) -> bool:
    return all(_holds(found[one["field_name"]], one["operator"], one["field_values"]) for one in search["filters"])


def _holds(found: Any, operator: str, values: list[str]) -> bool:
    wanted = type(found)(values[0])
    compared = {"EQ": found == wanted, "GT": found > wanted, "GTE": found >= wanted, "LT": found < wanted}
    return bool(compared[operator])


def _fine(said: Mapping[str, Any]) -> Response:
    return JSONResponse({"errorCode": 0, "errorMessage": "OK", "traceId": "E-O.demoea.1000-1", **said})


def _error(code: int) -> Response:
    return JSONResponse({"errorCode": code, "errorMessage": "secret-1 is wrong", "traceId": "E-O.demoea.1000-2"})
