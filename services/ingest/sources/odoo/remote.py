"""Calling methods of Odoo's models, over either of its protocols, with the failures that each tells in its own way."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from services.ingest.sources.adapter import Account
from services.ingest.sources.calling import ApiAnswerError, Calling, CredentialsError, FixedHeaders
from services.ingest.sources.payload import text

_REFUSED = ("AccessDenied", "AccessError", "SessionExpiredException")
_BUSY = ("SerializationFailure", "OperationalError", "DeadlockDetected", "LockNotAvailable", "ConcurrencyError")
_NO_MODEL = ("KeyError", "UserError")
Rows = Sequence[Mapping[str, Any]]


class Remote(Protocol):
    """One database."""

    async def search(self, model: str, domain: list[Any], fields: Sequence[str], more: Mapping[str, Any]) -> Rows:
        """`search_read`. Raises what Calling raises."""

    async def fields(self, model: str) -> Sequence[str]:
        """The names of a model's fields; none if there is no such model."""


def remote(account: Account, calling: Calling) -> Remote:
    """By the protocol of the settings."""
    return Json2(account, calling) if account.settings.protocol == "json-2" else JsonRpc(account, calling)


class _NoModelError(ApiAnswerError):
    pass


class JsonRpc:
    """`/jsonrpc`, Odoo 17 and 18: the password travels in each call, failures come with HTTP 200."""

    def __init__(self, account: Account, calling: Calling) -> None:
        self._settings = account.settings
        self._calling = calling
        self._uid: int | None = None

    async def search(self, model: str, domain: list[Any], fields: Sequence[str], more: Mapping[str, Any]) -> Rows:
        """See Remote."""
        return _rows(await self._execute(model, "search_read", [domain], {"fields": list(fields), **more}))

    async def fields(self, model: str) -> Sequence[str]:
        """See Remote."""
        try:
            found = await self._execute(model, "fields_get", [], {"attributes": ["type"]})
        except _NoModelError:
            return ()
        return _names(found)

    async def _execute(self, model: str, method: str, args: list[Any], kwargs: Mapping[str, Any]) -> Any:
        key = self._settings.api_key
        if self._uid is None:
            said = await self._call("common", "authenticate", [self._settings.database, self._settings.login, key, {}])
            uid = text(said)
            if uid is None or not uid.isdecimal():
                raise CredentialsError("Odoo does not know this database, login or key. Mend `quintant source add`.")
            self._uid = int(uid)
        return await self._call(
            "object", "execute_kw", [self._settings.database, self._uid, key, model, method, args, kwargs]
        )

    async def _call(self, service: str, method: str, args: list[Any]) -> Any:
        body = {
            "jsonrpc": "2.0",
            "method": "call",
            "params": {"service": service, "method": method, "args": args},
            "id": 1,
        }
        answer = await self._calling.json("POST", f"{_root(self._settings.api_url)}/jsonrpc", body=body)
        if not isinstance(answer, dict):
            raise ApiAnswerError("Odoo answered something that is no JSON-RPC.")
        if "error" in answer:
            self._fail(answer["error"])
        return answer.get("result")

    def _fail(self, error: object) -> None:
        data = error.get("data") if isinstance(error, dict) else None
        kind = (text(data.get("name")) or "").rpartition(".")[2] if isinstance(data, dict) else ""
        if kind in _REFUSED:
            self._uid = None
            raise CredentialsError(f"Odoo refuses our user ({kind}): the key is wrong, or a right to read is missing.")
        if kind in _BUSY:
            raise self._calling.later(f"Odoo is busy ({kind}).")
        raise (_NoModelError if kind in _NO_MODEL else ApiAnswerError)(f"Odoo answered an error ({kind[:100]}).")


class Json2:
    """`/json/2`, from Odoo 19 on: a bearer key, and failures by HTTP status."""

    def __init__(self, account: Account, calling: Calling) -> None:
        self._settings = account.settings
        self._calling = calling

    async def search(self, model: str, domain: list[Any], fields: Sequence[str], more: Mapping[str, Any]) -> Rows:
        """See Remote."""
        return _rows(await self._call(model, "search_read", {"domain": domain, "fields": list(fields), **more}))

    async def fields(self, model: str) -> Sequence[str]:
        """See Remote."""
        found = await self._call(model, "fields_get", {"attributes": ["type"]}, missing_is_none=True)
        return () if found is None else _names(found)

    async def _call(self, model: str, method: str, body: Mapping[str, Any], *, missing_is_none: bool = False) -> Any:
        return await self._calling.json(
            "POST",
            f"{_root(self._settings.api_url)}/json/2/{model}/{method}",
            authorization=FixedHeaders({"authorization": f"bearer {self._settings.api_key}"}),
            headers={"x-odoo-database": self._settings.database},
            body=body,
            missing_is_none=missing_is_none,
        )


def _root(url: str) -> str:
    return url.rstrip("/")


def _rows(answer: object) -> Rows:
    if not isinstance(answer, list) or not all(isinstance(row, dict) and is_number(row.get("id")) for row in answer):
        raise ApiAnswerError("Odoo answered something else than records.")
    return answer


def is_number(value: object) -> bool:
    """Whether it is an id as Odoo gives them."""
    return (text(value) or "").isdecimal()


def _names(answer: object) -> Sequence[str]:
    if not isinstance(answer, dict):
        raise ApiAnswerError("Odoo answered something else than fields.")
    return list(answer)
