"""A Salesforce session: the token, and with it where the org is reached."""

from collections.abc import Mapping
from typing import Any

from services.ingest.sources.calling import Calling, CredentialsError
from services.ingest.sources.payload import text
from shared.contracts.strict_json import parse
from shared.http.client import Answer
from shared.kernel.errors import QuintantError

_TOKEN = "/services/oauth2/token"  # noqa: S105 - a path


class Session:
    """Fetched when it is first needed. It says no end: Salesforce refuses it when it has ended."""

    def __init__(self, settings: Any) -> None:
        self._url = settings.login_url.rstrip("/") + _TOKEN
        self._form = _form(settings)
        self._tenant: str = settings.organization_id
        self._token = ""
        self._fresh = False
        self.instance_url = ""

    async def headers(self, calling: Calling) -> Mapping[str, str]:
        """For REST. Raises CredentialsError when there is no token to be had."""
        return {"authorization": f"Bearer {await self._live(calling)}"}

    async def metadata(self, calling: Calling) -> tuple[tuple[str, str], ...]:
        """For the Pub/Sub API, which wants them with every call."""
        token = await self._live(calling)
        return ("accesstoken", token), ("instanceurl", self.instance_url), ("tenantid", self._tenant)

    def refused(self) -> bool:
        """Salesforce does not take the token. True if a new one may help: this one was not fetched for this call."""
        again, self._token, self._fresh = not self._fresh, "", False
        return again

    def used(self) -> None:
        """The token was good: if it is refused from now on, it has ended."""
        self._fresh = False

    async def _live(self, calling: Calling) -> str:
        self._fresh = not self._token
        if self._fresh:
            await self._fetch(calling)
        return self._token

    async def _fetch(self, calling: Calling) -> None:
        answer = await calling.bare("POST", self._url, form=self._form)
        if answer.status == 429 or answer.status >= 500:
            raise calling.later(f"Salesforce answered {answer.status}.", answer.headers.get("retry-after", ""))
        said = _object(answer)
        token, instance = text(said.get("access_token")), text(said.get("instance_url"))
        if (
            answer.status >= 400
            or token is None
            or instance is None
            or not instance.startswith(("https://", "http://"))
        ):
            raise CredentialsError(
                f"Salesforce gave no access token (status {answer.status}): check My Domain, consumer key and secret, "
                "and whether the app allows the client credentials flow."
            )
        self._token, self.instance_url = token, instance.rstrip("/")


def _form(settings: Any) -> Mapping[str, str]:
    client = {"client_id": settings.client_id or "", "client_secret": settings.client_secret or ""}
    if settings.refresh_token:
        return {"grant_type": "refresh_token", "refresh_token": settings.refresh_token, **_filled(client)}
    return {"grant_type": "client_credentials", **client}


def _filled(client: Mapping[str, str]) -> Mapping[str, str]:
    """An app of public clients has no secret, and an empty one is refused."""
    return {name: value for name, value in client.items() if value}


def _object(answer: Answer) -> dict[str, Any]:
    try:
        said = parse(answer.body)
    except QuintantError:
        return {}
    return said if isinstance(said, dict) else {}
