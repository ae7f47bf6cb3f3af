"""Salesforce's REST API as documented, over HTTP: tokens, SOQL with cursors, deleted records, errors by code."""

import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.integration.sources.serving import serving

ORGANIZATION = "00D5Y000001MPM7UAO"
ROOT = "/services/data/v62.0"
STAGES = [
    dict(zip(("ApiName", "MasterLabel", "IsActive", "IsClosed", "IsWon", "SortOrder"), row, strict=True))
    for row in (
        ("Closed Lost", "Verloren", True, True, False, 3),
        ("Prospecting", "Anbahnung", True, False, False, 1),
        ("Closed Won", "Gewonnen", True, True, True, 2),
        ("Old", "Old", False, False, False, 0),
    )
]
_SOQL = re.compile(r"SELECT (?P<fields>[\w, ]+) FROM (?P<kind>\w+) WHERE (?P<where>.+?)(?: ORDER BY (?P<order>\w+))?")
_CONDITION = re.compile(r"(\w+) (>=|<|=|IN) (\([^)]*\)|\S+)")
_USER_FIELDS = {"IsDeleted"}


@dataclass(slots=True)
class FakeSalesforce:
    """An org with records by object, deleted ones among them, and its live tokens."""

    client: tuple[str, str] = ("app", "app-secret")
    records: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    lacking: set[str] = field(default_factory=lambda: {"CurrencyIsoCode", "RecordTypeId", "IsPersonAccount"})
    """Fields that this org does not have."""
    page: int = 2000
    failures: list[Response] = field(default_factory=list)
    """What the next calls are answered with."""
    tokens: list[str] = field(default_factory=list)
    """The live ones; the newest is the last."""
    forms: list[Mapping[str, str]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    cursors: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    url: str = ""

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Its address, while it serves; login and org share it."""
        routes = [
            Route("/services/oauth2/token", self._token, methods=["POST"]),
            Route(f"{ROOT}/composite/sobjects/{{kind}}", self._guarded(self._retrieve), methods=["POST"]),
            Route(f"{ROOT}/{{resource:str}}", self._guarded(self._query)),
            Route(f"{ROOT}/query/{{cursor:str}}", self._guarded(self._more)),
        ]
        async with serving(routes) as self.url:
            yield self.url

    async def _token(self, request: Request) -> Response:
        form = {name: str(value) for name, value in (await request.form()).items()}
        self.forms.append(form)
        good = form["grant_type"] == "client_credentials" or form.get("refresh_token") == "refresh-1"
        if not good or (form.get("client_id"), form.get("client_secret")) != self.client:
            return JSONResponse({"error": "invalid_client", "error_description": "invalid client credentials"}, 400)
        self.tokens.append(f"00D5Y!token-{len(self.forms)}")
        return JSONResponse(
            {
                "access_token": self.tokens[-1],
                "signature": "c2ln",
                "scope": "api",
                "instance_url": self.url,
                "id": f"{self.url}/id/{ORGANIZATION}/0055Y00000F1Nr2QAF",
                "token_type": "Bearer",
                "issued_at": "1764554400000",
            }
        )

    def _guarded(self, answer: Callable[[Request], Any]) -> Callable[[Request], Any]:
        async def guarded(request: Request) -> Response:
            self.calls.append(f"{request.method} {request.url.path}")
            if self.failures:
                return self.failures.pop(0)
            if request.headers.get("authorization") not in [f"Bearer {token}" for token in self.tokens]:
                return failure(401, "INVALID_SESSION_ID", "Session expired or invalid")
            found: Response = await answer(request)
            return found

        return guarded

    async def _retrieve(self, request: Request) -> Response:
        kind, asked = request.path_params["kind"], await request.json()
        if refused := self._unknown(kind, asked["fields"]):
            return refused
        alive = {row["Id"]: row for row in self.records.get(kind, []) if not row.get("IsDeleted")}
        return JSONResponse(
            [_shown(kind, alive[one], asked["fields"]) if one in alive else None for one in asked["ids"]]
        )

    async def _query(self, request: Request) -> Response:
        said = _SOQL.fullmatch(request.query_params["q"])
        assert said is not None, request.query_params["q"]
        kind, fields = said["kind"], said["fields"].split(", ")
        if refused := self._unknown(kind, fields):
            return refused
        rows = STAGES if kind == "OpportunityStage" else self.records.get(kind, [])
        everything = request.path_params["resource"] == "queryAll"
        rows = [row for row in rows if _holds(row, said["where"]) and (everything or not row.get("IsDeleted"))]
        rows = sorted(rows, key=lambda row: row[said["order"]]) if said["order"] else rows
        return self._answer([_shown(kind, row, fields) for row in rows])

    async def _more(self, request: Request) -> Response:
        rows = self.cursors.pop(request.path_params["cursor"], None)
        if rows is None:
            return failure(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
        return self._answer(rows)

    def _answer(self, rows: list[dict[str, Any]]) -> Response:
        shown, rest = rows[: self.page], rows[self.page :]
        answer: dict[str, Any] = {"totalSize": len(rows), "done": not rest, "records": shown}
        if rest:
            cursor = f"0r8xx{len(self.calls):05}-{self.page}"
            self.cursors[cursor] = rest
            answer["nextRecordsUrl"] = f"{ROOT}/query/{cursor}"
        return JSONResponse(answer)

    def _unknown(self, kind: str, fields: list[str]) -> Response | None:
        lacking = self.lacking | (_USER_FIELDS if kind == "User" else set())
        unknown = [name for name in fields if name in lacking]
        return failure(400, "INVALID_FIELD", f"No such column '{unknown[0]}' on entity '{kind}'") if unknown else None


def failure(status: int, code: str, message: str, **headers: str) -> Response:
    """An error as the REST API writes it."""
    return JSONResponse([{"message": message, "errorCode": code}], status, headers=headers)


def _shown(kind: str, row: Mapping[str, Any], fields: list[str]) -> dict[str, Any]:
    attributes = {"type": kind, "url": f"{ROOT}/sobjects/{kind}/{row.get('Id')}"}
    return {"attributes": attributes, **{name: row.get(name) for name in fields}}


def _holds(row: Mapping[str, Any], where: str) -> bool:
    return all(_compares(row.get(name), sign, value) for name, sign, value in _CONDITION.findall(where))


def _compares(found: Any, sign: str, value: str) -> bool:
    if sign == "IN":
        return found in [one.strip(" '") for one in value.strip("()").split(",")]
    if sign == "=":
        return json.dumps(found) == value
    moment = str(found).replace(".000+0000", "Z")
    return moment >= value if sign == ">=" else moment < value
