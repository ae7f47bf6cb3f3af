"""Pipedrive's API: v2 for objects, stages and pipelines; v1 for what v2 does not have, users and webhooks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from services.ingest.sources.adapter import Account, Record
from services.ingest.sources.api import NOTHING, Changed, Reach, StageFound
from services.ingest.sources.calling import ApiAnswerError, Calling, FixedHeaders
from services.ingest.sources.payload import text
from services.ingest.sources.pipedrive.keeper import PipedriveKeeper
from services.ingest.sources.pipedrive.objects import changed_at, is_gone, moment
from shared.contracts.strict_json import dumped
from shared.contracts.values import write_instant

_PAGE = 500
_SECOND = timedelta(seconds=1)
_ANY_STATUS = "open,won,lost,deleted"


_FIRST_DEAL = datetime(2010, 1, 1, tzinfo=UTC)
"""Pipedrive was founded: who asks for what changed since before asks for everything."""


@dataclass(frozen=True, slots=True)
class _Listing:
    """One of the lists that together hold what changed of a kind."""

    path: str
    query: Mapping[str, str]
    newest_first: bool = False
    """By creation, to the first one that was there before: no list can be asked for what was created since."""

    @property
    def order(self) -> Mapping[str, str]:
        if self.newest_first:
            return {"sort_by": "add_time", "sort_direction": "desc"}
        return {"sort_by": "update_time", "sort_direction": "asc"}

    def window(self, since: datetime, until: datetime) -> Mapping[str, str]:
        """Widened to whole seconds, as Pipedrive keeps its times."""
        if self.newest_first:
            return {}
        return {
            "updated_since": write_instant(since.replace(microsecond=0)),
            "updated_until": write_instant(until.replace(microsecond=0) + _SECOND),
        }


_DEALS = (_Listing("deals", {"status": _ANY_STATUS}), _Listing("deals/archived", {"status": _ANY_STATUS}))
_ALL_OF: Mapping[str, Sequence[_Listing]] = {
    "deals": _DEALS,
    "organizations": (_Listing("organizations", {}),),
    "persons": (_Listing("persons", {}),),
    "activities": (_Listing("activities", {}),),
}
_CHANGED = {**_ALL_OF, "deals": (*_DEALS, _Listing("deals", {}, newest_first=True))}


def connect(account: Account, calling: Calling) -> Reach:
    """The API and the keeper of webhooks, if there is a token for them."""
    if not account.settings.api_token:
        return NOTHING
    api = PipedriveApi(account, calling)
    return Reach(api=api, keeper=PipedriveKeeper(account, api.call))


class PipedriveApi:
    """One company."""

    at_once = 100

    def __init__(self, account: Account, calling: Calling) -> None:
        self._calling = calling
        self._root = account.settings.api_url.rstrip("/")
        self._authorization = FixedHeaders({"x-api-token": account.settings.api_token})

    async def read(self, kind: str, ids: Sequence[str]) -> Sequence[Record]:
        """The objects with these ids. A list leaves out what is deleted or archived: those are asked for singly."""
        if kind == "users":
            return await self._users(ids)
        answer = await self.call("GET", f"v2/{kind}", {"ids": ",".join(ids), "limit": str(_PAGE)})
        found = {record.id: record for record in self._records(kind, answer)}
        return [
            found.get(identifier) or await self._single(kind, f"v2/{kind}/{identifier}", identifier)
            for identifier in ids
        ]

    async def changed(self, kind: str, since: datetime, until: datetime, page: str | None) -> Changed:
        """List after list, by `update_time`; new deals by `add_time` as well. `page` is the list's number and its
        cursor. Deleted deals are listed for 30 days; of other deleted objects no list tells."""
        if kind == "users":
            users = _items(await self.call("GET", "v1/users"))
            return Changed([self._record(kind, item) for item in users if _changed_in(item, since, until)])
        listings = _ALL_OF[kind] if since < _FIRST_DEAL else _CHANGED[kind]
        place, _, cursor = (page or "0:").partition(":")
        listing = listings[int(place)]
        query = {**listing.query, **listing.order, **({} if since < _FIRST_DEAL else listing.window(since, until))}
        answer = await self.call(
            "GET", f"v2/{listing.path}", {**query, "limit": str(_PAGE), **({"cursor": cursor} if cursor else {})}
        )
        items, cursor = _items(answer), _next_cursor(answer)
        if listing.newest_first:
            fresh = [item for item in items if _created_since(item, since)]
            items, cursor = fresh, cursor if len(fresh) == len(items) else ""
        records = [self._record(kind, item) for item in items]
        if cursor:
            return Changed(records, f"{place}:{cursor}")
        following = int(place) + 1
        return Changed(records, f"{following}:" if following < len(listings) else None)

    async def stages(self) -> Sequence[StageFound]:
        """Pipeline after pipeline. Won and lost are no stages there."""
        pipelines = await self._every("v2/pipelines")
        stages = await self._every("v2/stages", {"sort_by": "order_nr"})
        return [
            StageFound(
                text(of.get("id")) or "", text(one.get("id")) or "", _title(one, of if len(pipelines) > 1 else {})
            )
            for of in pipelines
            for one in stages
            if one.get("pipeline_id") == of.get("id")
        ]

    async def call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: object = None,
        *,
        missing: bool = False,
    ) -> dict[str, Any]:
        """One call; empty for 404 if that may be. Raises ApiAnswerError for an error inside a 200."""
        answer = await self._calling.json(
            method,
            f"{self._root}/api/{path}",
            authorization=self._authorization,
            query=query,
            body=body,
            missing_is_none=missing,
        )
        if answer is None and missing:
            return {}
        if not isinstance(answer, dict) or answer.get("success") is not True:
            raise ApiAnswerError(f"Pipedrive answered {path} without success.")
        return answer

    async def _every(self, path: str, query: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        cursor: str = ""
        while True:
            page = {**(query or {}), "limit": str(_PAGE), **({"cursor": cursor} if cursor else {})}
            answer = await self.call("GET", path, page)
            found += [item for item in _items(answer) if item.get("is_deleted") is not True]
            cursor = _next_cursor(answer)
            if not cursor:
                return found

    async def _single(self, kind: str, path: str, identifier: str) -> Record:
        answer = await self.call("GET", path, missing=True)
        item = answer.get("data")
        if not isinstance(item, dict):
            return Record(kind, identifier, self._calling.clock.now(), b"", gone=True)
        return self._record(kind, item)

    async def _users(self, ids: Sequence[str]) -> Sequence[Record]:
        """All of them come at once; one who left the company may not."""
        found = {record.id: record for record in self._records("users", await self.call("GET", "v1/users"))}
        return [found.get(one) or await self._single("users", f"v1/users/{one}", one) for one in ids]

    def _records(self, kind: str, answer: Mapping[str, Any]) -> list[Record]:
        return [self._record(kind, item) for item in _items(answer)]

    def _record(self, kind: str, item: dict[str, Any]) -> Record:
        identifier = text(item.get("id"))
        if identifier is None:
            raise ApiAnswerError("Pipedrive answered an object without an id.")
        return Record(kind, identifier, self._calling.clock.now(), dumped(item), gone=is_gone(kind, item))


def _items(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = answer.get("data")
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise ApiAnswerError("Pipedrive answered something that is no list of objects.")
    return found


def _next_cursor(answer: Mapping[str, Any]) -> str:
    additional = answer.get("additional_data")
    return (text(additional.get("next_cursor")) if isinstance(additional, dict) else None) or ""


def _title(stage: Mapping[str, Any], pipeline: Mapping[str, Any]) -> str:
    return ": ".join(found for one in (pipeline, stage) if (found := text(one.get("name"))))


def _changed_in(item: Mapping[str, Any], since: datetime, until: datetime) -> bool:
    at = changed_at(item)
    return at is None or since.replace(microsecond=0) <= at < until + _SECOND


def _created_since(item: Mapping[str, Any], since: datetime) -> bool:
    return text(item.get("add_time")) is None or moment(item["add_time"]) >= since.replace(microsecond=0)
