"""Zoho CRM's REST API v8: records by id, ids by time of change (COQL), deleted records, stages; and the channel."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from services.ingest.sources.adapter import Account, Record
from services.ingest.sources.api import NOTHING, Changed, Reach, StageFound
from services.ingest.sources.calling import ApiAnswerError, Calling, OAuthToken
from services.ingest.sources.payload import instant, text
from services.ingest.sources.zoho.keeper import ZohoKeeper
from services.ingest.sources.zoho.records import RECORDS
from services.ingest.sources.zoho.session import Session
from services.ingest.sources.zoho.settings import DEALS, ZohoSettings
from shared.contracts.strict_json import dumped

_IDS_AT_ONCE = 100
_DELETED_PAGE = 200
_DELETED = "deleted:"
_OUTCOMES = {"Closed Won": "won", "Closed Lost": "lost"}


def connect(account: Account, calling: Calling) -> Reach:
    """The API and the channel, if the settings hold the credentials."""
    settings: ZohoSettings = account.settings
    if not settings.connected:
        return NOTHING
    token = OAuthToken(
        f"{settings.accounts_url.rstrip('/')}/oauth/v2/token",
        {
            "grant_type": "refresh_token",
            "client_id": settings.client_id,
            "client_secret": settings.client_secret,
            "refresh_token": settings.refresh_token,
        },
        calling.clock,
        scheme="Zoho-oauthtoken",
    )
    session = Session(settings.api_url, token, calling)
    return Reach(api=ZohoApi(settings, session), keeper=ZohoKeeper(account, session))


class ZohoApi:
    """One organisation."""

    at_once = _IDS_AT_ONCE

    def __init__(self, settings: ZohoSettings, session: Session) -> None:
        self._settings = settings
        self._session = session
        self._clock = session.clock

    async def read(self, kind: str, ids: Sequence[str]) -> Sequence[Record]:
        """The records with these ids; what is not there comes back without a body. Orders and invoices one by one:
        a list leaves out their rows."""
        if RECORDS[kind].alone:
            return [await self._alone(kind, identifier) for identifier in ids]
        read_at = self._clock.now()
        fields = ",".join(sorted({name for name in self._settings.names(kind).values() if name}))
        query = {"ids": ",".join(ids), "fields": fields, "approved": "both"}
        found = {_id(row): row for row in _rows(await self._session.call("GET", kind, query=query))}
        return [_record(kind, identifier, read_at, found.get(identifier)) for identifier in ids]

    async def changed(self, kind: str, since: datetime, until: datetime, page: str | None) -> Changed:
        """Ids by Modified_Time, paged by id so that nothing shifts between pages, each page then read; after the last
        the deleted ones. `page` is the last id, or `deleted:` and a number."""
        if kind not in self._settings.modules:
            return Changed(())
        if page and page.startswith(_DELETED):
            return await self._deleted(kind, since, until, int(page.removeprefix(_DELETED)))
        changed_at = self._settings.names(kind)["changed_at"]
        modified = f"{changed_at} >= '{_iso(since)}'"
        chosen = f"(({modified}) and (id > '{page}'))" if page else f"({modified})"
        select = f"select id, {changed_at} from {kind} where {chosen} order by id asc limit 0, {_IDS_AT_ONCE}"  # noqa: S608 - COQL; all parts are ours, an id or a checked name
        rows = _rows(await self._session.call("POST", "coql", body={"select_query": select}))
        ids = [_id(row) for row in rows if instant(row.get(changed_at)) < until]
        records = await self.read(kind, ids) if ids else []
        return Changed(records, _id(rows[-1]) if len(rows) >= _IDS_AT_ONCE else f"{_DELETED}1")

    async def stages(self) -> Sequence[StageFound]:
        """The stages of the pipelines of all layouts of deals."""
        layouts = _listed(await self._session.call("GET", "settings/layouts", query={"module": DEALS}), "layouts")
        found: list[StageFound] = []
        for layout in layouts:
            answer = await self._session.call("GET", "settings/pipeline", query={"layout_id": _id(layout)})
            for pipeline in _listed(answer, "pipeline"):
                found += _stages(pipeline)
        return list(dict.fromkeys(found))

    async def _alone(self, kind: str, identifier: str) -> Record:
        read_at = self._clock.now()
        rows = _rows(await self._session.call("GET", f"{kind}/{identifier}", missing_is_none=True))
        return _record(kind, identifier, read_at, rows[0] if rows else None)

    async def _deleted(self, kind: str, since: datetime, until: datetime, page: int) -> Changed:
        """Answered with 304 if nothing was deleted since."""
        read_at = self._clock.now()
        answer = await self._session.call(
            "GET",
            f"{kind}/deleted",
            query={"type": "all", "page": str(page), "per_page": str(_DELETED_PAGE)},
            headers={"if-modified-since": _iso(since)},
        )
        records = [
            Record(kind, _id(row), read_at, dumped(row), gone=True)
            for row in _rows(answer)
            if instant(row.get("deleted_time")) < until
        ]
        info = answer.get("info") if answer else None
        more = isinstance(info, dict) and info.get("more_records") is True
        return Changed(records, f"{_DELETED}{page + 1}" if more else None)


def _stages(pipeline: Mapping[str, Any]) -> list[StageFound]:
    name = text(pipeline.get("actual_value")) or ""
    found = []
    for stage in sorted(_listed(pipeline, "maps"), key=_place):
        label, outcome = text(stage.get("actual_value")), _OUTCOMES.get(text(stage.get("forecast_type")) or "", "")
        if label:
            found.append(StageFound(name, label, text(stage.get("display_value")) or label, outcome))
    return found


def _place(stage: Mapping[str, Any]) -> int:
    return int(text(stage.get("sequence_number")) or "0")


def _record(kind: str, identifier: str, read_at: datetime, row: Mapping[str, Any] | None) -> Record:
    return Record(kind, identifier, read_at, b"" if row is None else dumped(row), gone=row is None)


def _rows(answer: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    return [] if answer is None else _listed(answer, "data")


def _listed(answer: Mapping[str, Any] | None, name: str) -> list[dict[str, Any]]:
    found = (answer or {}).get(name, [])
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise ApiAnswerError(f"Zoho answered {name} as something that is no list.")
    return found


def _id(row: Mapping[str, Any]) -> str:
    found = text(row.get("id"))
    if found is None:
        raise ApiAnswerError("Zoho answered something without an id.")
    return found


def _iso(when: datetime) -> str:
    """Zoho keeps whole seconds."""
    return when.astimezone(UTC).replace(microsecond=0).isoformat()
