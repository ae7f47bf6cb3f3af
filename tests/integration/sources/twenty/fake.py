"""Twenty's REST API as documented: filters, cursors, soft-deleted records on request, a rate limit."""

import base64
import json
import re
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.integration.sources.serving import serving

_CONDITION = re.compile(r"(\w+)\[(\w+)\]:(\[[^\]]*\]|\"[^\"]*\"|[^,()]+)")
_LARGEST_PAGE = 60


@dataclass(slots=True)
class FakeTwenty:
    """A workspace with records by plural name."""

    key: str = "key-1"
    records: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    page: int = _LARGEST_PAGE
    busy: int = 0
    """How many calls are answered 429 first."""
    calls: list[Mapping[str, str]] = field(default_factory=list)

    def serving(self) -> AbstractAsyncContextManager[str]:
        """Its address, while it serves."""
        routes = [Route("/rest/metadata/objects", self._objects), Route("/rest/{plural}", self._list)]
        return serving(routes)

    def _refused(self, request: Request) -> Response | None:
        if request.headers.get("authorization") != f"Bearer {self.key}":
            return JSONResponse({"statusCode": 401, "error": "UnauthorizedException"}, 401)
        if self.busy:
            self.busy -= 1
            return JSONResponse({"messages": ["Limit reached"]}, 429, headers={"retry-after": "7"})
        return None

    async def _objects(self, request: Request) -> Response:
        options = [
            {"value": "CUSTOMER", "label": "Customer", "position": 1},
            {"value": "NEW", "label": "New", "position": 0},
        ]
        stage = {"name": "stage", "type": "SELECT", "options": options}
        objects = [{"nameSingular": "company", "fields": []}, {"nameSingular": "opportunity", "fields": [stage]}]
        return self._refused(request) or JSONResponse({"data": {"objects": objects}, "pageInfo": {}})

    async def _list(self, request: Request) -> Response:
        if refused := self._refused(request):
            return refused
        query = dict(request.query_params)
        self.calls.append(query)
        plural = request.path_params["plural"]
        chosen = [record for record in self.records.get(plural, []) if _matches(record, query["filter"])]
        chosen.sort(key=lambda record: (record["updatedAt"], record["id"]))
        if after := query.get("starting_after"):
            place = tuple(json.loads(base64.b64decode(after)))
            chosen = [record for record in chosen if (record["updatedAt"], record["id"]) > place]
        shown = chosen[: min(int(query["limit"]), _LARGEST_PAGE, self.page)]
        cursor = _cursor(shown[-1]) if shown else None
        info = {"hasNextPage": len(shown) < len(chosen), "startCursor": None, "endCursor": cursor}
        return JSONResponse({"data": {plural: shown}, "totalCount": len(chosen), "pageInfo": info})


def _cursor(record: Mapping[str, Any]) -> str:
    return base64.b64encode(json.dumps([record["updatedAt"], record["id"]]).encode()).decode()


def _matches(record: Mapping[str, Any], text: str) -> bool:
    """Conditions joined by `and`; a filter that names deletedAt is answered with deleted records too."""
    conditions = _CONDITION.findall(text)
    if record.get("deletedAt") and "deletedAt" not in {name for name, _, _ in conditions}:
        return False
    return all(
        _holds(record.get(name), comparator, value) for name, comparator, value in conditions if name != "deletedAt"
    )


def _holds(found: Any, comparator: str, value: str) -> bool:
    if comparator == "in":
        return found in [one.strip('"') for one in value[1:-1].split(",")]
    bound = value.strip('"').replace("Z", "+00:00")
    said = str(found).replace("Z", "+00:00")
    return said >= bound if comparator == "gte" else said < bound
