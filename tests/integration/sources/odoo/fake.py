"""Odoo's external API as documented: /jsonrpc with its errors inside HTTP 200, and /json/2 with HTTP statuses."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.integration.sources.serving import serving

Row = dict[str, Any]


class _OdooError(Exception):
    """By the name of the exception as Odoo tells it."""


@dataclass(slots=True)
class FakeOdoo:
    """A database with rows by model; a model without rows is not installed."""

    key: str = "key-1"
    uid: int = 7
    rows: dict[str, list[Row]] = field(default_factory=dict)
    failing: list[str] = field(default_factory=list)
    """Names of exceptions with which the next calls fail."""
    calls: list[tuple[str, str]] = field(default_factory=list)

    def serving(self) -> AbstractAsyncContextManager[str]:
        """Its address, while it serves."""
        routes = [
            Route("/jsonrpc", self._json_rpc, methods=["POST"]),
            Route("/json/2/{model}/{method}", self._json_2, methods=["POST"]),
        ]
        return serving(routes)

    async def _json_rpc(self, request: Request) -> Response:
        params = (await request.json())["params"]
        try:
            result = self._dispatch(params["service"], params["args"])
        except _OdooError as error:
            data = {"name": str(error), "message": "Traceback (most recent call last) …", "arguments": []}
            failure = {"code": 200, "message": "Odoo Server Error", "data": data}
            return JSONResponse({"jsonrpc": "2.0", "id": 1, "error": failure})
        return JSONResponse({"jsonrpc": "2.0", "id": 1, "result": result})

    def _dispatch(self, service: str, args: Sequence[Any]) -> object:
        if service == "common":
            database, login, key, _ = args
            return self.uid if (database, login, key) == ("acme", "quintant", self.key) else False
        _, uid, key, model, method, positional, named = args
        if (uid, key) != (self.uid, self.key):
            raise _OdooError("odoo.exceptions.AccessDenied")
        return self._call(model, method, positional[0] if positional else [], named, "odoo.exceptions.UserError")

    async def _json_2(self, request: Request) -> Response:
        said, path = await request.json(), request.path_params
        if request.headers.get("authorization") != f"bearer {self.key}" or request.headers["x-odoo-database"] != "acme":
            return JSONResponse({"name": "werkzeug.exceptions.Unauthorized"}, 401)
        try:
            result = self._call(path["model"], path["method"], said.get("domain", []), said, "404")
        except _OdooError as error:
            return JSONResponse({"name": str(error)}, 404 if str(error) == "404" else 422)
        return JSONResponse(result)

    def _call(self, model: str, method: str, domain: list[Any], named: Mapping[str, Any], unknown: str) -> object:
        self.calls.append((model, method))
        if self.failing:
            raise _OdooError(self.failing.pop(0))
        if model not in self.rows:
            raise _OdooError(unknown)
        rows = self.rows[model]
        if method == "fields_get":
            return {name: {"type": "char"} for row in rows for name in row}
        if unknown_fields := set(named["fields"]) - {name for row in rows for name in row}:
            raise _OdooError(f"builtins.ValueError {unknown_fields}")
        seen = named.get("context", {}).get("active_test", True)
        chosen = [row for row in rows if self._holds(row, list(domain)) and (not seen or row.get("active", True))]
        chosen.sort(key=lambda row: int(row["id"]))
        return [{"id": row["id"]} | {name: row[name] for name in named["fields"]} for row in chosen][
            : named.get("limit")
        ]

    def _holds(self, row: Row, domain: list[Any]) -> bool:
        """Polish notation; what stands side by side is joined by `&`."""
        results = []
        while domain:
            results.append(self._term(row, domain))
        return all(results)

    def _term(self, row: Row, domain: list[Any]) -> bool:
        first = domain.pop(0)
        if first in ("&", "|"):
            one, other = self._term(row, domain), self._term(row, domain)
            return (one and other) if first == "&" else (one or other)
        path, operator, value = first
        return any(_compares(found, operator, value) for found in self._values(row, path))

    def _values(self, row: Row, path: str) -> list[Any]:
        name, _, rest = path.partition(".")
        if not rest:
            found = row.get(name)
            return [found[0] if isinstance(found, list) and len(found) == 2 else found]
        if name in ("order_line", "invoice_line_ids"):
            model, back = ("sale.order.line", "order_id") if name == "order_line" else ("account.move.line", "move_id")
            return [line.get(rest) for line in self.rows.get(model, []) if line[back][0] == row["id"]]
        linked = [line for line in self.rows["account.move.line"] if line["id"] == row[name][0]]
        return [value for line in linked for value in self._values(line, rest)]


def _compares(found: Any, operator: str, value: Any) -> bool:
    if operator == "in":
        return found in value
    if operator == "=":
        return bool(found == value)
    if found in (None, False):
        return False
    return bool({">=": found >= value, "<": found < value, ">": found > value}[operator])
