"""Twenty's REST API: records by id and by time of change, deleted ones included."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from services.ingest.sources.adapter import Account, Record
from services.ingest.sources.api import NOTHING, Changed, Reach, StageFound
from services.ingest.sources.calling import ApiAnswerError, Calling, FixedHeaders
from services.ingest.sources.payload import decimal, text
from shared.contracts.strict_json import dumped
from shared.contracts.values import write_instant

_PLURALS: Mapping[str, str] = {
    "opportunity": "opportunities",
    "company": "companies",
    "person": "people",
    "workspaceMember": "workspaceMembers",
}
_ALIVE_OR_NOT = "or(deletedAt[is]:NULL,deletedAt[is]:NOT_NULL)"
"""A filter that names `deletedAt` is answered with deleted records too."""
_MILLISECOND = timedelta(milliseconds=1)
_PAGE = 60


def connect(account: Account, calling: Calling) -> Reach:
    """The API, if there is a key for it."""
    if not account.settings.api_key:
        return NOTHING
    return Reach(api=TwentyApi(account, calling))


class TwentyApi:
    """One workspace."""

    at_once = _PAGE

    def __init__(self, account: Account, calling: Calling) -> None:
        self._calling = calling
        self._root = account.settings.api_url.rstrip("/")
        self._authorization = FixedHeaders({"authorization": f"Bearer {account.settings.api_key}"})

    async def read(self, kind: str, ids: Sequence[str]) -> Sequence[Record]:
        """The records with these ids; what was destroyed comes back without a body."""
        read_at = self._calling.clock.now()
        wanted = ",".join(f'"{identifier}"' for identifier in ids)
        records, _ = await self._list(kind, f"and(id[in]:[{wanted}],{_ALIVE_OR_NOT})", None, read_at)
        found = {record.id for record in records}
        lost = [Record(kind, identifier, read_at, b"", gone=True) for identifier in ids if identifier not in found]
        return [*records, *lost]

    async def changed(self, kind: str, since: datetime, until: datetime, page: str | None) -> Changed:
        """By `updatedAt`, which a soft deletion moves too. A destroyed record is not told of."""
        read_at = self._calling.clock.now()
        since, until = _whole(since), _whole(until + _MILLISECOND)
        span = f'updatedAt[gte]:"{write_instant(since)}",updatedAt[lt]:"{write_instant(until)}"'
        return Changed(*await self._list(kind, f"and({span},{_ALIVE_OR_NOT})", page, read_at))

    async def stages(self) -> Sequence[StageFound]:
        """The choices of the field `stage` of opportunities."""
        answer = await self._get("metadata/objects", {"limit": "1000"})
        for found in _items(answer.get("data"), "objects"):
            if found.get("nameSingular") == "opportunity":
                return [
                    StageFound("", value, text(option.get("label")) or value)
                    for field in _items(found.get("fields"), "fields")
                    if field.get("name") == "stage"
                    for option in _in_order(field.get("options"))
                    if (value := text(option.get("value")))
                ]
        return []

    async def _list(
        self, kind: str, chosen: str, page: str | None, read_at: datetime
    ) -> tuple[Sequence[Record], str | None]:
        query = {"filter": chosen, "order_by": "updatedAt", "limit": str(_PAGE), "depth": "0"}
        answer = await self._get(_PLURALS[kind], query | ({"starting_after": page} if page else {}))
        data, place = answer.get("data"), answer.get("pageInfo")
        found = data.get(_PLURALS[kind]) if isinstance(data, dict) else None
        if not isinstance(found, list) or not isinstance(place, dict):
            raise ApiAnswerError("Twenty answered without the records or without their place.")
        records = [_record(kind, item, read_at) for item in found]
        return records, text(place.get("endCursor")) if place.get("hasNextPage") is True else None

    async def _get(self, path: str, query: Mapping[str, str]) -> dict[str, Any]:
        answer = await self._calling.json(
            "GET", f"{self._root}/rest/{path}", authorization=self._authorization, query=query
        )
        if not isinstance(answer, dict):
            raise ApiAnswerError("Twenty answered something that is no JSON object.")
        return answer


def _record(kind: str, item: object, read_at: datetime) -> Record:
    identifier = text(item.get("id")) if isinstance(item, dict) else None
    if not isinstance(item, dict) or identifier is None:
        raise ApiAnswerError("Twenty answered a record without an id.")
    return Record(kind, identifier, read_at, dumped(item), gone=text(item.get("deletedAt")) is not None)


def _whole(when: datetime) -> datetime:
    """Twenty keeps milliseconds: the filter is widened to them."""
    return when.replace(microsecond=when.microsecond // 1000 * 1000)


def _items(value: object, name: str) -> list[dict[str, Any]]:
    """A list, or an object that holds it: versions differ."""
    found = value.get(name) if isinstance(value, dict) else value
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def _in_order(options: object) -> list[dict[str, Any]]:
    return sorted(_items(options, "options"), key=lambda option: decimal(option.get("position")) or 0)
