"""Frappe's REST API as documented: token, filters as JSON, lists without tables, 404 and 403, deleted documents."""

import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.integration.sources.serving import serving

Doc = dict[str, Any]
_COMPARES = {
    "=": lambda found, value: found == value,
    ">=": lambda found, value: found >= value,
    "<": lambda found, value: found < value,
    ">": lambda found, value: found > value,
}


@dataclass(slots=True)
class FakeFrappe:
    """A site with documents by doctype; a doctype without documents does not exist."""

    token: str = "key-1:secret-1"
    is_system_manager: bool = True
    docs: dict[str, list[Doc]] = field(default_factory=dict)
    busy: int = 0
    """How many calls are answered 429 first."""
    calls: list[str] = field(default_factory=list)

    def serving(self) -> AbstractAsyncContextManager[str]:
        """Its address, while it serves."""
        routes = [Route("/api/resource/{doctype}", self._list), Route("/api/resource/{doctype}/{name:path}", self._one)]
        return serving(routes)

    def _refused(self, request: Request) -> Response | None:
        doctype = request.path_params["doctype"]
        self.calls.append(doctype)
        if request.headers.get("authorization") != f"token {self.token}":
            return JSONResponse({"exc_type": "AuthenticationError"}, 401)
        if self.busy:
            self.busy -= 1
            return JSONResponse({"exc_type": "TooManyRequestsError"}, 429, headers={"retry-after": "9"})
        if doctype == "Deleted Document" and not self.is_system_manager:
            return JSONResponse({"exc_type": "PermissionError"}, 403)
        if doctype not in self.docs:
            return JSONResponse({"exc_type": "DoesNotExistError"}, 404)
        return None

    async def _list(self, request: Request) -> Response:
        if refused := self._refused(request):
            return refused
        query = request.query_params
        chosen = [doc for doc in self.docs[request.path_params["doctype"]] if _fits(doc, json.loads(query["filters"]))]
        assert query["order_by"] == "name asc"
        chosen.sort(key=lambda doc: str(doc["name"]))
        limit = int(query["limit_page_length"]) or len(chosen)
        start = int(query["limit_start"])
        fields = json.loads(query["fields"])
        return JSONResponse({"data": [{name: doc[name] for name in fields} for doc in chosen[start : start + limit]]})

    async def _one(self, request: Request) -> Response:
        if refused := self._refused(request):
            return refused
        name = request.path_params["name"]
        for doc in self.docs[request.path_params["doctype"]]:
            if doc["name"] == name:
                return JSONResponse({"data": doc})
        return JSONResponse({"exc_type": "DoesNotExistError"}, 404)


def _fits(doc: Mapping[str, Any], filters: Sequence[Sequence[str]]) -> bool:
    return all(_COMPARES[operator](doc[name], value) for name, operator, value in filters)
