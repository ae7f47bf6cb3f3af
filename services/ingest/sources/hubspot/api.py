"""HubSpot's CRM API v3 (associations: v4): batches with history, the search by time of change, archived objects."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from services.ingest.sources.adapter import Account, Record
from services.ingest.sources.api import NOTHING, Changed, Reach, StageFound
from services.ingest.sources.calling import ApiAnswerError, Authorization, Calling, FixedHeaders, OAuthToken
from services.ingest.sources.hubspot.keeper import HubspotKeeper
from services.ingest.sources.hubspot.properties import MERGED, moment
from services.ingest.sources.hubspot.records import OWNERS, asked_for, changed_at
from services.ingest.sources.hubspot.searching import MOST, PAGE, Place, after_page, search
from services.ingest.sources.payload import decimal, read_object, text
from shared.contracts.strict_json import dumped

_MILLISECOND = timedelta(milliseconds=1)
_ARCHIVED = "archived"


def connect(account: Account, calling: Calling) -> Reach:
    """The API, if there is a token for it; the keeper, if there is a key for the app's subscriptions."""
    settings = account.settings
    authorization = _authorization(account, calling)
    keeper = HubspotKeeper(account, calling) if settings.app_id and settings.developer_key else None
    api = HubspotApi(account, calling, authorization) if authorization else None
    return Reach(api=api, keeper=keeper) if api or keeper else NOTHING


def _authorization(account: Account, calling: Calling) -> Authorization | None:
    settings = account.settings
    if settings.access_token:
        return FixedHeaders({"authorization": f"Bearer {settings.access_token}"})
    if not settings.client_id or not settings.refresh_token or not account.secrets:
        return None
    form = {
        "grant_type": "refresh_token",
        "client_id": settings.client_id,
        "client_secret": account.secrets[0],
        "refresh_token": settings.refresh_token,
    }
    return OAuthToken(f"{settings.api_url.rstrip('/')}/oauth/v1/token", form, calling.clock)


class HubspotApi:
    """One HubSpot account."""

    at_once = 50
    """A batch with history holds no more."""

    def __init__(
        self, account: Account, calling: Calling, authorization: Authorization, most_results: int = MOST
    ) -> None:
        self._calling = calling
        self._most = most_results
        self._root = account.settings.api_url.rstrip("/")
        self._authorization = authorization

    async def read(self, kind: str, ids: Sequence[str]) -> Sequence[Record]:
        """The objects with these ids; archived ones, and those that a merge took away, come back `gone`."""
        if kind == OWNERS:
            owners = {record.id: record for record in await self._owners()}
            return [owners.get(one) or self._lost(kind, one) for one in ids]
        found = await self._batch(kind, ids, archived=False)
        here = {record.id for record in found}
        missing = [one for one in ids if one not in here]
        if missing:
            found += [one for one in await self._batch(kind, missing, archived=True) if one.id in missing]
            here = {record.id for record in found}
        return [*found, *(self._lost(kind, one) for one in missing if one not in here)]

    async def changed(self, kind: str, since: datetime, until: datetime, page: str | None) -> Changed:
        """First what is there, by `hs_lastmodifieddate`, then what was archived, by the time when it was."""
        if kind == OWNERS:
            return Changed([one for one in await self._owners() if _changed_in(one, since, until)])
        if page is not None and page.startswith(_ARCHIVED):
            return await self._archived(kind, since, until, page.partition(":")[2])
        place = Place.of(page, since)
        answer = await self._call("POST", f"crm/v3/objects/{kind}/search", body=search(place, until))
        hits = _results(answer)
        records: list[Record] = []
        for start in range(0, len(hits), self.at_once):
            ids = [_id(hit) for hit in hits[start : start + self.at_once]]
            records += await self._batch(kind, ids, archived=False)
        following = after_page(place, hits, _next(answer), self._most)
        return Changed(records, following.text if following else f"{_ARCHIVED}:")

    async def stages(self) -> Sequence[StageFound]:
        """Pipeline after pipeline; a closed stage is won if it is certain, else lost."""
        pipelines = _in_order(_results(await self._call("GET", "crm/v3/pipelines/deals")))
        return [
            StageFound(_id(pipeline), _id(stage), text(stage.get("label")) or _id(stage), _outcome(stage))
            for pipeline in pipelines
            for stage in _in_order(pipeline.get("stages"))
        ]

    async def _batch(self, kind: str, ids: Sequence[str], *, archived: bool) -> list[Record]:
        """What is there of these; errors about others come beside it, with status 207."""
        answer = await self._call(
            "POST",
            f"crm/v3/objects/{kind}/batch/read",
            query={_ARCHIVED: str(archived).lower()},
            body={**asked_for(kind), "inputs": [{"id": one} for one in ids]},
        )
        items = _results(answer)
        if kind == "deals" and items and not archived:
            companies = await self._companies([_id(item) for item in items])
            items = [{**item, "associations": {"companies": companies.get(_id(item), [])}} for item in items]
        found = [self._record(kind, item, gone=archived) for item in items]
        return found if archived else [*found, *self._merged(kind, items, ids)]

    def _merged(self, kind: str, items: Sequence[Mapping[str, Any]], ids: Sequence[str]) -> list[Record]:
        """Who asks for an id that was merged away gets the survivor, under its own id."""
        answered = {_id(item) for item in items}
        away = {one.strip() for item in items for one in (_property(item, MERGED) or "").split(";")}
        return [self._lost(kind, one) for one in ids if one in away and one not in answered]

    async def _companies(self, ids: Sequence[str]) -> dict[str, object]:
        """The companies of each deal."""
        answer = await self._call(
            "POST", "crm/v4/associations/deals/companies/batch/read", body={"inputs": [{"id": one} for one in ids]}
        )
        found: dict[str, object] = {}
        for one in _results(answer):
            origin = one.get("from")
            found[_id(origin if isinstance(origin, dict) else {})] = one.get("to")
        return found

    async def _archived(self, kind: str, since: datetime, until: datetime, after: str) -> Changed:
        """The list knows no order of time: all of it is gone through, for the 90 days that HubSpot keeps them."""
        query = {_ARCHIVED: "true", "limit": str(PAGE), "properties": "hs_object_id"}
        answer = await self._call("GET", f"crm/v3/objects/{kind}", query=query | ({"after": after} if after else {}))
        records = [self._record(kind, item, gone=True) for item in _results(answer) if _archived_in(item, since, until)]
        following = _next(answer)
        return Changed(records, f"{_ARCHIVED}:{following}" if following else None)

    async def _owners(self) -> list[Record]:
        """All of them, those who left too."""
        found: list[Record] = []
        for archived in ("false", "true"):
            after = ""
            while True:
                query = {_ARCHIVED: archived, "limit": str(PAGE)} | ({"after": after} if after else {})
                answer = await self._call("GET", "crm/v3/owners", query=query)
                found += [self._record(OWNERS, item) for item in _results(answer)]
                after = _next(answer)
                if not after:
                    break
        return found

    async def _call(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: object = None
    ) -> dict[str, Any]:
        answer = await self._calling.json(
            method, f"{self._root}/{path}", authorization=self._authorization, query=query, body=body
        )
        if not isinstance(answer, dict):
            raise ApiAnswerError("HubSpot answered something that is no JSON object.")
        return answer

    def _record(self, kind: str, item: Mapping[str, Any], *, gone: bool = False) -> Record:
        return Record(kind, _id(item), self._calling.clock.now(), dumped(dict(item)), gone=gone)

    def _lost(self, kind: str, identifier: str) -> Record:
        return Record(kind, identifier, self._calling.clock.now(), b"", gone=True)


def _results(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = answer.get("results")
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise ApiAnswerError("HubSpot answered without results.")
    return found


def _id(item: Mapping[str, Any]) -> str:
    found = text(item.get("id"))
    if found is None:
        raise ApiAnswerError("HubSpot answered an object without an id.")
    return found


def _next(answer: Mapping[str, Any]) -> str:
    paging = answer.get("paging")
    following = paging.get("next") if isinstance(paging, dict) else None
    return (text(following.get("after")) if isinstance(following, dict) else None) or ""


def _property(item: Mapping[str, Any], name: str) -> str | None:
    properties = item.get("properties")
    return text(properties.get(name)) if isinstance(properties, dict) else None


def _archived_in(item: Mapping[str, Any], since: datetime, until: datetime) -> bool:
    at = item.get("archivedAt")
    return text(at) is None or since - _MILLISECOND <= moment(at) < until + _MILLISECOND


def _changed_in(record: Record, since: datetime, until: datetime) -> bool:
    """Of owners, whose list knows no time."""
    at = changed_at(read_object(record.body))
    return at is None or since - _MILLISECOND <= at < until + _MILLISECOND


def _in_order(items: object) -> list[dict[str, Any]]:
    found = [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
    live = [item for item in found if item.get("archived") is not True]
    return sorted(live, key=lambda item: decimal(item.get("displayOrder")) or 0)


def _outcome(stage: Mapping[str, Any]) -> str:
    metadata = stage.get("metadata")
    said = metadata if isinstance(metadata, dict) else {}
    if str(said.get("isClosed")).lower() != "true":
        return ""
    return "won" if (decimal(said.get("probability")) or 0) >= 1 else "lost"
