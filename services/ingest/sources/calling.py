"""Calls to a source's API: within its documented rate, with its credentials, and with failures told apart."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Protocol
from urllib.parse import urlencode

import msgspec

from services.ingest.sources.adapter import Rate
from shared.contracts.strict_json import parse
from shared.http.client import Answer, Requester
from shared.kernel.clock import Clock
from shared.kernel.errors import QuintantError, UnavailableError

_LONGEST_WAIT = timedelta(hours=1)
_USUAL_WAIT = timedelta(seconds=10)
_NEXT = re.compile(r'<([^<>]*)>\s*;\s*rel="?next"?')
"""RFC 8288, as the sources write it."""


class TryLaterError(QuintantError):
    """The source is not there, overloaded, or out of quota for now."""

    slug = "source-try-later"

    def __init__(self, detail: str, wait: timedelta = _USUAL_WAIT) -> None:
        super().__init__(detail)
        self.wait = min(wait, _LONGEST_WAIT)


class CredentialsError(QuintantError):
    """The source does not accept our credentials, or they lack a permission: a person must look."""

    slug = "source-credentials"


class ApiAnswerError(QuintantError):
    """The source answered something that is neither success nor one of the failures that it documents."""

    slug = "source-answer"


class Pace:
    """Spreads calls so that no window of the rate holds too many: a bucket that refills evenly."""

    def __init__(self, rate: Rate, clock: Clock) -> None:
        burst = min(5, rate.calls // 4)
        self._each = rate.seconds / (rate.calls - burst)
        self._burst = burst * self._each
        self._clock = clock
        self._next = clock.monotonic()

    async def turn(self) -> None:
        """Return when the next call may be made."""
        now = self._clock.monotonic()
        self._next = max(self._next, now - self._burst) + self._each
        wait = self._next - self._each - now
        if wait > 0:
            await asyncio.sleep(wait)

    def pause(self, wait: timedelta) -> None:
        """Make no call for so long: the source asked for it."""
        self._next = max(self._next, self._clock.monotonic() + wait.total_seconds())


class Authorization(Protocol):
    """Puts credentials into a call."""

    async def headers(self, calling: "Calling") -> Mapping[str, str]:
        """The headers that carry them. Fetches a token if there is none."""

    def refused(self) -> bool:
        """The source answered 401. True if a fresh token may help: then the call is made once more."""


@dataclass(frozen=True, slots=True)
class FixedHeaders:
    """Credentials that do not expire."""

    values: Mapping[str, str]

    async def headers(self, calling: "Calling") -> Mapping[str, str]:
        del calling
        return self.values

    def refused(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "FixedHeaders(…)"


class OAuthToken:
    """An OAuth 2 access token, fetched with `form` (refresh token or client credentials) and kept until it expires."""

    _EARLY = timedelta(seconds=60)

    def __init__(self, token_url: str, form: Mapping[str, str], clock: Clock, scheme: str = "Bearer") -> None:
        self._token_url = token_url
        self._form = form
        self._clock = clock
        self._scheme = scheme
        self._token = ""
        self._until: datetime | None = None
        self._fresh = False
        self._fetching = asyncio.Lock()

    async def headers(self, calling: "Calling") -> Mapping[str, str]:
        """Raises CredentialsError when the source gives no token."""
        async with self._fetching:  # sources count how often a token is asked for
            self._fresh = not self._token or (self._until is not None and self._clock.now() >= self._until)
            if self._fresh:
                await self._fetch(calling)
            return {"authorization": f"{self._scheme} {self._token}"}

    def refused(self) -> bool:
        """A token that was fetched for this very call and is refused will not get better."""
        again, self._token, self._fresh = not self._fresh, "", False
        return again

    async def _fetch(self, calling: "Calling") -> None:
        answer = await calling.bare("POST", self._token_url, form=self._form)
        if answer.status == 429 or answer.status >= 500 or b"too many" in answer.body.lower():
            raise calling.later(
                f"The source gives no token now (status {answer.status}).", answer.headers.get("retry-after", "")
            )
        said = _tree(answer)
        token = said.get("access_token") if isinstance(said, dict) else None
        if answer.status >= 400 or not isinstance(token, str) or not token:
            raise CredentialsError(f"The source gave no access token (status {answer.status}): check the credentials.")
        lifetime = str(said.get("expires_in") or "")
        self._until = (
            self._clock.now() + timedelta(seconds=int(lifetime)) - self._EARLY if lifetime.isdecimal() else None
        )
        self._token = token


class Calling:
    """One source's API. Shared by everything that calls it, so that its rate holds for all of them together."""

    def __init__(self, requester: Requester, clock: Clock, rate: Rate) -> None:
        self._requester = requester
        self._pace = Pace(rate, clock)
        self.clock = clock

    async def json(
        self,
        method: str,
        url: str,
        *,
        authorization: Authorization | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: object = None,
        missing_is_none: bool = False,
    ) -> Any:
        """The JSON of a 2xx answer, numbers as text (None for an empty one, for 304, and for 404 if `missing_is_none`).

        Raises TryLaterError (network, 429, 5xx; waits as `Retry-After` says), CredentialsError (401, 403),
        ApiAnswerError (anything else).
        """
        answer = await self._authorized(method, url, authorization, query, headers, body)
        if answer.status == 304 or (missing_is_none and answer.status == 404):
            return None
        self._judge(answer)
        return _tree(answer) if answer.body else None

    async def linked(
        self, url: str, *, authorization: Authorization | None = None, query: Mapping[str, str] | None = None
    ) -> tuple[Any, str | None]:
        """The JSON of a GET, and the address of its next page as a `Link` header names it. Raises as `json`."""
        answer = await self._authorized("GET", url, authorization, query, None, None)
        self._judge(answer)
        following = _NEXT.search(answer.headers.get("link", ""))
        return _tree(answer), following.group(1) if following else None

    async def _authorized(
        self,
        method: str,
        url: str,
        authorization: Authorization | None,
        query: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
        body: object,
    ) -> Answer:
        while True:
            credentials = await authorization.headers(self) if authorization else {}
            answer = await self.bare(method, url, query=query, headers={**(headers or {}), **credentials}, body=body)
            if answer.status != 401 or authorization is None or not authorization.refused():
                return answer

    async def bare(
        self,
        method: str,
        url: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: object = None,
        form: Mapping[str, str] | None = None,
    ) -> Answer:
        """One call at its turn, whatever it answers. Raises TryLaterError when no answer comes."""
        await self._pace.turn()
        sent = {"accept": "application/json", **(headers or {})}
        content = b""
        if form is not None:
            content, sent["content-type"] = urlencode(form).encode(), "application/x-www-form-urlencoded"
        elif body is not None:
            content = body if isinstance(body, bytes) else msgspec.json.encode(body)
            sent.setdefault("content-type", "application/json")
        address = f"{url}{'&' if '?' in url else '?'}{urlencode(query)}" if query else url
        try:
            return await self._requester.request(method, address, sent, content)
        except UnavailableError as error:
            raise TryLaterError(f"The source does not answer ({error.detail}).") from error

    def _judge(self, answer: Answer) -> None:
        if 200 <= answer.status < 300:
            return
        if answer.status == 429 or answer.status >= 500:
            raise self.later(f"The source answered {answer.status}.", answer.headers.get("retry-after", ""))
        if answer.status in (401, 403):
            raise CredentialsError(
                f"The source refuses our credentials (status {answer.status}): they are wrong, expired, or lack a "
                "permission. Mend them with `quintant source add`."
            )
        raise ApiAnswerError(f"The source answered {answer.status}.")

    def later(self, detail: str, retry_after: str = "") -> TryLaterError:
        """What to raise for a source that is out of quota; nobody calls it before the time it asked for."""
        wait = _wait(retry_after, self.clock.now())
        self._pace.pause(wait)
        return TryLaterError(detail, wait)


def _wait(retry_after: str, now: datetime) -> timedelta:
    """Seconds (also with a fraction) or an HTTP date; a usual wait for anything else."""
    said = retry_after.strip()
    try:
        return timedelta(seconds=min(max(float(said), 0.0), _LONGEST_WAIT.total_seconds()))
    except ValueError:
        pass
    try:
        until = parsedate_to_datetime(said)
    except ValueError:
        return _USUAL_WAIT
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return min(max(until - now, timedelta()), _LONGEST_WAIT)


def _tree(answer: Answer) -> Any:
    try:
        return parse(answer.body)
    except QuintantError:
        raise ApiAnswerError(f"The source answered {answer.status} with something that is no JSON.") from None
