"""Fxiaoke's open API (旧版传参): objects by id and by time of change. Its errors come inside HTTP 200."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from services.ingest.sources.adapter import Account, Record
from services.ingest.sources.api import NOTHING, Changed, Reach, StageFound
from services.ingest.sources.calling import ApiAnswerError, Calling, CredentialsError
from services.ingest.sources.fxiaoke.fields import DEAL
from services.ingest.sources.fxiaoke.objects import KINDS
from services.ingest.sources.fxiaoke.settings import FxiaokeSettings
from services.ingest.sources.payload import micros_since_1970, text
from shared.contracts.strict_json import dumped
from shared.kernel.ids import new_id

_PAGE = 100
_EARLY = timedelta(seconds=60)
_USUAL_LIFETIME = 7200
_STALE = ("20016", "20005", "11014", "11003")
_BUSY: Mapping[str, str] = {"-1": "10", "-2": "10", "50009": "10", "14001": "20", "30004": "20", "30002": "3600"}
"""Busy, timed out, too often; the last is the quota of the day. With the seconds to wait."""
_REFUSED = frozenset({
    "10001", "10002", "10006", "10010", "10012", "10013", "10014", "11001", "11002", "11008", "11013", "11015",
    "15003", "20006", "20012", "20014", "20015", "20017", "20020", "20021", "20022", "20023", "30003",
})  # fmt: skip
"""App, permanent code, employee or permission are wrong or missing, or no quota was bought."""
_OPEN_USER = "FSUID_"


def connect(account: Account, calling: Calling) -> Reach:
    """The API, if the settings hold its credentials."""
    return Reach(api=FxiaokeApi(account, calling)) if account.settings.connected else NOTHING


class FxiaokeApi:
    """One enterprise."""

    at_once = 1

    def __init__(self, account: Account, calling: Calling) -> None:
        self._settings: FxiaokeSettings = account.settings
        self._session = Session(account.settings, calling)
        self._clock = calling.clock

    async def read(self, kind: str, ids: Sequence[str]) -> Sequence[Record]:
        """One call an object: the API takes one id."""
        return [await self._one(kind, identifier) for identifier in ids]

    async def changed(self, kind: str, since: datetime, until: datetime, page: str | None) -> Changed:
        """By last_modified_time, paged by id: so nothing shifts between pages, and no offset grows too large."""
        if kind not in self._settings.polled:
            return Changed(())
        changed_at = self._settings.names(kind)["changed_at"]
        span = [_filter(changed_at, "GTE", _millis(since)), _filter(changed_at, "LT", _millis(until, up=True))]
        after = [_filter("_id", "GT", page)] if page else []
        read_at = self._clock.now()
        rows = await self._query(kind, span + after, _PAGE)
        ids = [_id(row) for row in rows]
        if KINDS[kind].detailed:
            records = [await self._one(kind, identifier) for identifier in ids]
        else:
            records = [Record(kind, _id(row), read_at, dumped(row)) for row in rows]
        return Changed(records, ids[-1] if len(rows) >= _PAGE else None)

    async def stages(self) -> Sequence[StageFound]:
        """The choices of the stage of opportunities (商机阶段)."""
        answer = await self._session.call(
            "/cgi/crm/v2/object/describe", {"includeDetail": False, "data": {"apiName": DEAL}}
        )
        name = self._settings.names(DEAL)["stage"]
        options = _part(_part(_part(_part(answer, "data"), "describe"), "fields"), name).get("options")
        if not isinstance(options, list):
            raise ApiAnswerError(f"{DEAL} has no choice {name}: name the field of the stage in the setting `fields`.")
        found = [
            (text(option.get("value")), text(option.get("label"))) for option in options if isinstance(option, dict)
        ]
        outcomes = self._settings.outcomes
        return [StageFound("", value, label or value, outcomes.get(label or "", "")) for value, label in found if value]

    async def _one(self, kind: str, identifier: str) -> Record:
        """How the API answers for an object that is gone is not published: an error is checked against a query."""
        read_at = self._clock.now()
        wanted = {"dataObjectApiName": kind, "objectDataId": identifier}
        try:
            found = _part(await self._session.call("/cgi/crm/v2/data/get", {"data": wanted}), "data")
        except ApiAnswerError:
            if await self._query(kind, [_filter("_id", "EQ", identifier)], 1):
                raise
            found = {}
        return Record(kind, identifier, read_at, dumped(found) if found else b"", gone=not found)

    async def _query(self, kind: str, filters: list[dict[str, object]], limit: int) -> list[dict[str, Any]]:
        search = {
            "limit": limit,
            "offset": 0,
            "filters": filters,
            "orders": [{"fieldName": "_id", "isAsc": True}],
        }
        data = {"dataObjectApiName": kind, "find_explicit_total_num": False, "search_query_info": search}
        answer = await self._session.call("/cgi/crm/v2/data/query", {"data": data})
        rows = _part(answer, "data").get("dataList")
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise ApiAnswerError("Fxiaoke answered a query without a list of objects.")
        return rows


class Session:
    """Calls with the enterprise's token, which one call at a time fetches and which is kept until it expires."""

    def __init__(self, settings: FxiaokeSettings, calling: Calling) -> None:
        self._settings = settings
        self._calling = calling
        self._fetching = asyncio.Lock()
        self._credentials: dict[str, str] = {}
        self._until = calling.clock.now()

    async def call(self, path: str, body: Mapping[str, object]) -> dict[str, Any]:
        """The answer of one call. A token that has become stale is renewed once.

        Raises TryLaterError, CredentialsError, ApiAnswerError.
        """
        for last in (False, True):
            used = await self._current()
            answer = await self._post(path, {**used, **body})
            if _code(answer) not in _STALE:
                return self._judged(answer)
            if self._credentials is used:
                self._credentials = {}
            if last:
                break
        raise CredentialsError("Fxiaoke does not accept the token that it has just given us: check the app's settings.")

    async def _current(self) -> dict[str, str]:
        async with self._fetching:
            if not self._credentials or self._calling.clock.now() >= self._until:
                self._credentials = await self._fetched()
            return self._credentials

    async def _fetched(self) -> dict[str, str]:
        asked = {
            "appId": self._settings.app_id,
            "appSecret": self._settings.app_secret,
            "permanentCode": self._settings.permanent_code,
        }
        began = self._calling.clock.now()
        answer = self._judged(await self._post("/cgi/corpAccessToken/get/V2", asked))
        token, corp = text(answer.get("corpAccessToken")), text(answer.get("corpId"))
        if not token or not corp:
            raise CredentialsError("Fxiaoke gave no corpAccessToken: check AppId, AppSecret and 永久授权码.")
        lifetime = text(answer.get("expiresIn")) or ""
        self._until = began + timedelta(seconds=int(lifetime) if lifetime.isdecimal() else _USUAL_LIFETIME) - _EARLY
        enterprise = {"corpAccessToken": token, "corpId": corp}
        return {**enterprise, "currentOpenUserId": await self._user(enterprise)}

    async def _user(self, enterprise: Mapping[str, str]) -> str:
        if self._settings.user.startswith(_OPEN_USER):
            return self._settings.user
        answer = self._judged(await self._post("/cgi/user/getByMobile", {**enterprise, "mobile": self._settings.user}))
        found = answer.get("empList")
        first = found[0] if isinstance(found, list) and found and isinstance(found[0], dict) else {}
        user = text(first.get("openUserId"))
        if user is None:
            raise CredentialsError("Fxiaoke knows no employee with this mobile number: check the setting `user`.")
        return user

    async def _post(self, path: str, body: Mapping[str, object]) -> dict[str, Any]:
        query = {"thirdTraceId": str(UUID(hex=new_id()))}
        answer = await self._calling.json("POST", self._settings.api_url.rstrip("/") + path, query=query, body=body)
        if not isinstance(answer, dict):
            raise ApiAnswerError("Fxiaoke answered something that is no JSON object.")
        return answer

    def _judged(self, answer: dict[str, Any]) -> dict[str, Any]:
        """The vendor's wording may hold anything: only its number is told."""
        code = _code(answer)
        if code == "0":
            return answer
        if code in _BUSY:
            raise self._calling.later(f"Fxiaoke is busy or out of quota (errorCode {code}).", _BUSY[code])
        if code in _REFUSED:
            raise CredentialsError(
                f"Fxiaoke refuses our credentials (errorCode {code}): the app, its permanent code or the employee is "
                "wrong or lacks a permission. Mend them with `quintant source add`."
            )
        raise ApiAnswerError(f"Fxiaoke answered errorCode {code}.")


def _code(answer: Mapping[str, Any]) -> str:
    found = text(answer.get("errorCode")) or ""
    return found if found.removeprefix("-").isdecimal() and len(found) <= 10 else "?"


def _part(answer: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = answer.get(name)
    return found if isinstance(found, dict) else {}


def _id(row: Mapping[str, Any]) -> str:
    found = text(row.get("_id"))
    if found is None:
        raise ApiAnswerError("Fxiaoke answered an object without an id.")
    return found


def _filter(name: str, operator: str, value: str) -> dict[str, object]:
    return {"field_name": name, "operator": operator, "field_values": [value]}


def _millis(when: datetime, *, up: bool = False) -> str:
    micros = micros_since_1970(when)
    return str(-(-micros // 1000) if up else micros // 1000)
