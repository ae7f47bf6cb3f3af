"""Salesforce's REST API: records by id and by time of change, deleted ones included, and the stages of its deals."""

import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any

from services.ingest.sources.adapter import Account, Record
from services.ingest.sources.api import NOTHING, Changed, Fed, Reach, StageFound
from services.ingest.sources.calling import ApiAnswerError, Calling, CredentialsError
from services.ingest.sources.payload import text
from services.ingest.sources.salesforce.objects import KINDS, flag, record_id
from services.ingest.sources.salesforce.session import Session
from shared.contracts.strict_json import dumped, parse
from shared.http.client import Answer
from shared.kernel.errors import QuintantError

_LONGEST_TRANSACTION = timedelta(minutes=10)
"""A record is stamped when it is written and seen when its transaction commits: at most so much later."""
_ALMOST_A_SECOND = timedelta(seconds=1) - timedelta.resolution
_STAGES = "SELECT ApiName, MasterLabel, IsClosed, IsWon FROM OpportunityStage WHERE IsActive = true ORDER BY SortOrder"
_QUOTA_WAIT = "600"
"""Seconds; the quota is of a rolling day, and Salesforce does not say when the next call is free."""
_CODE = re.compile("[A-Z][A-Z_]{2,60}")
_CURSOR = re.compile(r"/services/data/v[0-9.]+/query(?:All)?/[A-Za-z0-9-]+")
_EXTRA = ("grpc", "fastavro", "google")


class ExtraMissingError(CredentialsError):
    """What change events are read with is not installed: a person must look."""

    slug = "source-extra-missing"


class _CursorLostError(ApiAnswerError):
    """Salesforce keeps the place in a query for two days."""


def connect(account: Account, calling: Calling) -> Reach:
    """The API and the feed, if there is an app for them."""
    settings = account.settings
    if not settings.client_id or not (settings.client_secret or settings.refresh_token):
        return NOTHING
    session = Session(settings)
    feed = ChangeFeed(settings, session, calling) if settings.change_events else None
    return Reach(api=SalesforceApi(settings, session, calling), feed=feed)


class ChangeFeed:
    """Change Data Capture."""

    def __init__(self, settings: Any, session: Session, calling: Calling) -> None:
        self._settings = settings
        self._session = session
        self._calling = calling

    async def follow(self, position: str | None) -> AsyncGenerator[Fed, None]:
        """Raises ExtraMissingError when the packages are not there; webhooks and REST do without them."""
        try:
            from services.ingest.sources.salesforce import pubsub
        except ModuleNotFoundError as error:
            if error.name is None or error.name.partition(".")[0] not in _EXTRA:
                raise
            raise ExtraMissingError(
                "Change events need packages that are not installed: pip install 'quintant[salesforce]'. Or leave the "
                "channel of change events empty."
            ) from None
        async with aclosing(pubsub.follow(self._settings, self._session, self._calling, position)) as feed:
            async for fed in feed:
                yield fed


class SalesforceApi:
    """One org."""

    at_once = 200

    def __init__(self, settings: Any, session: Session, calling: Calling) -> None:
        self._settings = settings
        self._session = session
        self._calling = calling
        self._root = f"/services/data/{settings.api_version}"

    async def read(self, kind: str, ids: Sequence[str]) -> Sequence[Record]:
        """The records; what is not there is looked for among the deleted, for what it was merged into."""
        read_at = self._calling.clock.now()
        wanted = {one[:15]: one for one in ids if record_id(one)}
        found = await self._retrieve(kind, list(wanted.values()), read_at) if wanted else {}
        lost = [one for key, one in wanted.items() if key not in found]
        if lost and KINDS[kind].deletable:
            found |= await self._deleted(kind, lost, read_at)
        return [found.get(one[:15]) or Record(kind, one, read_at, b"", gone=True) for one in ids]

    async def changed(self, kind: str, since: datetime, until: datetime, page: str | None) -> Changed:
        """By SystemModstamp, from a while before: what was written then may have been committed since."""
        read_at = self._calling.clock.now()
        try:
            answer = await self._page(page) if page else None
        except _CursorLostError:
            answer = None  # from the beginning: to come twice does no harm
        if answer is None:
            begin, end = _literal(since - _LONGEST_TRANSACTION), _literal(until + _ALMOST_A_SECOND)
            answer = await self._query(kind, f"SystemModstamp >= {begin} AND SystemModstamp < {end}")
        return Changed([_record(kind, row, read_at) for row in _rows(answer)], _next_page(answer))

    async def stages(self) -> Sequence[StageFound]:
        """What opportunities may be in; `StageName` holds the API name."""
        answer = await self._ask("GET", f"{self._root}/query", {"q": _STAGES})
        return [
            StageFound("", label, text(row.get("MasterLabel")) or label, _outcome(row))
            for row in _rows(answer)
            if (label := text(row.get("ApiName"))) is not None
        ]

    async def _retrieve(self, kind: str, ids: Sequence[str], read_at: datetime) -> dict[str, Record]:
        body = {"ids": ids, "fields": KINDS[kind].asked(self._settings)}
        answer = await self._ask("POST", f"{self._root}/composite/sobjects/{kind}", body=body)
        if not isinstance(answer, list):
            raise ApiAnswerError("Salesforce answered something that is no list of records.")
        return _by_id(_record(kind, row, read_at) for row in answer if row is not None)

    async def _deleted(self, kind: str, ids: Sequence[str], read_at: datetime) -> dict[str, Record]:
        among = ", ".join(f"'{one}'" for one in ids)
        answer = await self._query(kind, f"Id IN ({among})")
        rows = _rows(answer)
        while place := _next_page(answer):  # a page may hold fewer records than were asked for
            answer = await self._page(place)
            rows += _rows(answer)
        return _by_id(_record(kind, row, read_at) for row in rows)

    async def _query(self, kind: str, where: str) -> dict[str, Any]:
        fields = ", ".join(KINDS[kind].asked(self._settings))
        resource = "queryAll" if KINDS[kind].deletable else "query"
        soql = f"SELECT {fields} FROM {kind} WHERE {where}"  # noqa: S608 - names from the table, ids checked
        return _answered(await self._ask("GET", f"{self._root}/{resource}", {"q": soql}))

    async def _page(self, place: str) -> dict[str, Any]:
        if not _CURSOR.fullmatch(place):
            raise ApiAnswerError("Salesforce named a next page that is none.")
        return _answered(await self._ask("GET", place))

    async def _ask(self, method: str, path: str, query: Mapping[str, str] | None = None, body: object = None) -> Any:
        while True:
            headers = await self._session.headers(self._calling)
            url = self._session.instance_url + path
            answer = await self._calling.bare(method, url, query=query, headers=headers, body=body)
            if answer.status != 401 or not self._session.refused():
                return self._judged(answer)

    def _judged(self, answer: Answer) -> Any:
        """Salesforce tells by a code in the body what several failures have one status for."""
        if 200 <= answer.status < 300:
            self._session.used()
            return _parsed(answer)
        code = _code(answer)
        told = f"Salesforce answered {answer.status}{f' ({code})' if code else ''}."
        retry_after = answer.headers.get("retry-after", "")
        if code == "REQUEST_LIMIT_EXCEEDED":
            raise self._calling.later(told, retry_after or _QUOTA_WAIT)
        if answer.status == 429 or answer.status >= 500:
            raise self._calling.later(told, retry_after)
        if code == "INVALID_QUERY_LOCATOR":
            raise _CursorLostError(told)
        if answer.status in (401, 403) or code in ("INVALID_FIELD", "INVALID_TYPE"):
            raise CredentialsError(
                f"{told} The credentials are wrong, or the integration user may not see an object or a field; or a "
                "setting names a field that the org does not have. Mend it with `quintant source add`."
            )
        raise ApiAnswerError(told)


def _record(kind: str, row: object, read_at: datetime) -> Record:
    found = record_id(row.get("Id")) if isinstance(row, dict) else None
    if not isinstance(row, dict) or found is None:
        raise ApiAnswerError("Salesforce answered a record without an id.")
    return Record(kind, found, read_at, dumped(row), gone=flag(row.get("IsDeleted")) is True)


def _by_id(records: Any) -> dict[str, Record]:
    """By the 15 characters that tell ids apart."""
    return {record.id[:15]: record for record in records}


def _rows(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = answer.get("records") if isinstance(answer, dict) else None
    if not isinstance(rows, list):
        raise ApiAnswerError("Salesforce answered a query without records.")
    return rows


def _next_page(answer: Mapping[str, Any]) -> str | None:
    """`query`, also of queryAll: the place knows which it was."""
    return text(answer.get("nextRecordsUrl")) if answer.get("done") is False else None


def _answered(answer: object) -> dict[str, Any]:
    if not isinstance(answer, dict):
        raise ApiAnswerError("Salesforce answered something that is no JSON object.")
    return answer


def _outcome(row: Mapping[str, Any]) -> str:
    if flag(row.get("IsWon")):
        return "won"
    return "lost" if flag(row.get("IsClosed")) else ""


def _literal(when: datetime) -> str:
    """A SOQL time; SystemModstamp has whole seconds."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _code(answer: Answer) -> str:
    """Of `[{"errorCode": …, "message": …}]`; the message may quote what nobody should read in a log."""
    try:
        said = parse(answer.body)
    except QuintantError:
        return ""
    first = said[0] if isinstance(said, list) and said else said
    code = text(first.get("errorCode")) if isinstance(first, dict) else None
    return code if code and _CODE.fullmatch(code) else ""


def _parsed(answer: Answer) -> Any:
    try:
        return parse(answer.body)
    except QuintantError:
        raise ApiAnswerError(f"Salesforce answered {answer.status} with something that is no JSON.") from None
