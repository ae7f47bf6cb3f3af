"""Calls to Zoho CRM, and its errors, which come with any status: also inside HTTP 200 and 202."""

from collections.abc import Mapping
from typing import Any

from services.ingest.sources.calling import ApiAnswerError, Calling, CredentialsError, OAuthToken
from services.ingest.sources.payload import text

_VERSION = "crm/v8"
_REFUSED = ("AUTHENTICATION_FAILURE", "INVALID_TOKEN", "NO_PERMISSION", "OAUTH_SCOPE_MISMATCH")
_BUSY = ("INTERNAL_ERROR", "INTERNAL_SERVER_ERROR", "LIMIT_EXCEEDED", "LIMIT_REACHED", "TOO_MANY_REQUESTS")


class Session:
    """One organisation's API."""

    def __init__(self, api_url: str, token: OAuthToken, calling: Calling) -> None:
        self._root = f"{api_url.rstrip('/')}/{_VERSION}"
        self._token = token
        self._calling = calling
        self.clock = calling.clock

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: object = None,
        missing_is_none: bool = False,
    ) -> dict[str, Any] | None:
        """What it answers; None for nothing (204, 304). Raises TryLaterError, CredentialsError, ApiAnswerError."""
        answer = await self._calling.json(
            method,
            f"{self._root}/{path}",
            authorization=self._token,
            query=query,
            headers=headers,
            body=body,
            missing_is_none=missing_is_none,
        )
        if answer is None:
            return None
        if not isinstance(answer, dict):
            raise ApiAnswerError("Zoho answered something that is no JSON object.")
        self.check(answer)
        return answer

    def check(self, said: Mapping[str, Any]) -> None:
        """Raises for an error among what is said. The vendor's wording may hold anything: only its code is told."""
        if text(said.get("status")) != "error":
            return
        code = text(said.get("code")) or ""
        shown = code if code.isascii() and code.replace("_", "").isalpha() and len(code) <= 50 else "an unknown code"
        if code in _BUSY:
            raise self._calling.later(f"Zoho is busy or out of credits ({shown}).")
        if code in _REFUSED:
            raise CredentialsError(
                f"Zoho refuses our credentials ({shown}): the refresh token or one of its scopes is wrong. Mend them "
                "with `quintant source add`."
            )
        raise ApiAnswerError(f"Zoho answered {shown}.")
