"""Frappe's REST API: documents by name, what was modified, and what was deleted."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from services.ingest.sources.adapter import Account, Record
from services.ingest.sources.api import NOTHING, Changed, Reach, StageFound
from services.ingest.sources.calling import ApiAnswerError, Calling, FixedHeaders
from services.ingest.sources.payload import text
from shared.contracts.strict_json import dumped

_PAGE = 20
"""A list shows no tables of a document: each is fetched by itself."""
_DELETIONS = "Deleted Document"
_LIVING, _DEAD = "n:", "d:"
"""Where a page goes on: after which living document, or after which deletion."""


def connect(account: Account, calling: Calling) -> Reach:
    """The API, if there is a key for it."""
    if not account.settings.api_key:
        return NOTHING
    return Reach(api=FrappeApi(account, calling))


class FrappeApi:
    """One site."""

    at_once = _PAGE

    def __init__(self, account: Account, calling: Calling) -> None:
        settings = account.settings
        self._calling = calling
        self._root = settings.api_url.rstrip("/")
        self._zone = ZoneInfo(settings.time_zone)
        self._read_deletions = settings.read_deletions
        self._authorization = FixedHeaders({"authorization": f"token {settings.api_key}:{settings.api_secret}"})

    async def read(self, kind: str, ids: Sequence[str]) -> Sequence[Record]:
        """The documents of these names; what is not there any more comes back without a body."""
        return [await self._document(kind, name) for name in ids]

    async def changed(self, kind: str, since: datetime, until: datetime, page: str | None) -> Changed:
        """By `modified`, in the order of names, which no change moves; then what was deleted."""
        place = page or _LIVING
        if place.startswith(_DEAD):
            return await self._deleted(kind, since, until, place.removeprefix(_DEAD))
        rows = await self._list(kind, self._span("modified", since, until, place.removeprefix(_LIVING)), ["name"])
        names = [_name(row) for row in rows]
        records = await self.read(kind, names)
        if len(names) == _PAGE:
            return Changed(records, _LIVING + names[-1])
        return Changed(records, _DEAD if self._read_deletions else None)

    async def stages(self) -> Sequence[StageFound]:
        """The sales stages of opportunities; their order is not kept anywhere."""
        rows = await self._list("Sales Stage", [], ["name"], everything=True)
        return [StageFound("", _name(row), _name(row)) for row in rows]

    async def _deleted(self, kind: str, since: datetime, until: datetime, after: str) -> Changed:
        read_at = self._calling.clock.now()
        chosen = [["deleted_doctype", "=", kind], *self._span("creation", since, until, after)]
        rows = await self._list(_DELETIONS, chosen, ["name", "deleted_name", "creation"])
        records = [
            Record(kind, name, read_at, dumped({"name": name, "deleted_at": row.get("creation")}), gone=True)
            for row in rows
            if (name := text(row.get("deleted_name")))
        ]
        return Changed(records, _DEAD + _name(rows[-1]) if len(rows) == _PAGE else None)

    async def _document(self, kind: str, name: str) -> Record:
        read_at = self._calling.clock.now()
        answer = await self._get(f"{quote(kind, safe='')}/{quote(name, safe='')}", {})
        if answer is None:
            return Record(kind, name, read_at, b"", gone=True)
        if not isinstance(answer.get("data"), dict):
            raise ApiAnswerError("Frappe answered without the document.")
        return Record(kind, name, read_at, dumped(answer["data"]))

    async def _list(
        self, kind: str, chosen: list[list[str]], fields: list[str], *, everything: bool = False
    ) -> list[dict[str, Any]]:
        """None of a doctype that the site does not have: its application is not installed."""
        query = {
            "filters": json.dumps(chosen),
            "fields": json.dumps(fields),
            "order_by": "name asc",
            "limit_start": "0",
            "limit_page_length": "0" if everything else str(_PAGE),
        }
        answer = await self._get(quote(kind, safe=""), query)
        rows = [] if answer is None else answer.get("data")
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise ApiAnswerError("Frappe answered without a list.")
        return rows

    async def _get(self, path: str, query: Mapping[str, str]) -> dict[str, Any] | None:
        url = f"{self._root}/api/resource/{path}"
        answer = await self._calling.json(
            "GET", url, authorization=self._authorization, query=query, missing_is_none=True
        )
        if answer is not None and not isinstance(answer, dict):
            raise ApiAnswerError("Frappe answered something that is no JSON object.")
        return answer

    def _span(self, field: str, since: datetime, until: datetime, after: str) -> list[list[str]]:
        span = [[field, ">=", self._stamp(since)], [field, "<", self._stamp(until)]]
        return [*span, ["name", ">", after]] if after else span

    def _stamp(self, when: datetime) -> str:
        """As the site writes times."""
        return when.astimezone(self._zone).replace(tzinfo=None).isoformat(" ", timespec="microseconds")


def _name(row: Mapping[str, Any]) -> str:
    found = text(row.get("name"))
    if found is None:
        raise ApiAnswerError("Frappe answered a document without a name.")
    return found
