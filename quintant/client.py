"""The services over HTTP, as these commands use them. The only module here that speaks HTTP."""

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx

_IMPORT_SECONDS = 600
_PATIENCE_SECONDS = 30
_IDS_AT_ONCE = 100
_PROBE_SECONDS = 3


class ServiceError(Exception):
    """A service could not be reached or refused; says what it said."""


class Probe:
    """Asks processes whether they are ready; one for many questions, for it is dear to make. Threads may share it."""

    def __init__(self) -> None:
        self._http = httpx.Client(timeout=_PROBE_SECONDS, trust_env=False)

    def __enter__(self) -> "Probe":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def trouble(self, url: str) -> str | None:
        """The reasons that the process behind this base URL gives; None when it may be sent work."""
        try:
            answer = self._http.get(f"{url}/readyz")
        except httpx.HTTPError as error:
            return f"no answer ({type(error).__name__})"
        if answer.is_success:
            return None
        reasons = _json(answer).get("reasons")
        if isinstance(reasons, dict) and reasons:
            return "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
        return f"status {answer.status_code}"


class Client:
    """Calls to the services at `urls`, by the name of the service."""

    def __init__(self, urls: Mapping[str, str], key: str) -> None:
        self._urls = {name: os.environ.get(f"QUINTANT_{name.upper()}_URL", url) for name, url in urls.items()}
        self._http = httpx.Client(
            headers={"authorization": f"Bearer {os.environ.get('QUINTANT_API_KEY', key)}"},
            timeout=_PATIENCE_SECONDS,
            trust_env=False,
        )

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def catalogue(self) -> dict[str, Any]:
        return self._get("metrics", "/v1/kpis", {})

    def kpi(self, slug: str, parameters: Mapping[str, str | list[str]]) -> dict[str, Any]:
        return self._get("metrics", f"/v1/kpis/{slug}", parameters)

    def names(self, ids: Sequence[str]) -> dict[str, str]:
        """The names of members, by their ids, if our key may see personal data; else none."""
        found: dict[str, str] = {}
        for start in range(0, len(ids), _IDS_AT_ONCE):
            try:
                answer = self._get("ingest", "/v1/persons/member", {"id": list(ids[start : start + _IDS_AT_ONCE])})
            except ServiceError:
                return {}
            found |= {one["id"]: one["name"] for one in answer["items"] if one.get("name")}
        return found

    def import_files(self, mapping: str, files: Iterable[Path], options: Mapping[str, str]) -> dict[str, Any]:
        """Send files under a mapping: the name of a preset, or the path of a mapping file."""
        with ExitStack() as open_files:
            parts: list[tuple[str, Any]] = []
            fields: dict[str, str] = {}
            if Path(mapping).is_file():
                parts.append(("mapping", (Path(mapping).name, open_files.enter_context(Path(mapping).open("rb")))))
            else:
                fields["mapping"] = mapping
            parts += [("files", (path.name, open_files.enter_context(path.open("rb")), "text/csv")) for path in files]
            return self._send("POST", "ingest", "/v1/imports", params=options, data=fields, files=parts)

    def wait_until_applied(self, token: str, seconds: float) -> None:
        """Return once metrics has applied everything that `token` names."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                self._get("metrics", "/v1/kpis", {"after": token})
            except _NotYetError:
                if time.monotonic() > deadline:
                    raise
            else:
                return

    def _get(self, service: str, path: str, parameters: Mapping[str, str | list[str]]) -> dict[str, Any]:
        return self._send("GET", service, path, params=dict(parameters))

    def _send(self, method: str, service: str, path: str, **content: Any) -> dict[str, Any]:
        patience = _IMPORT_SECONDS if method == "POST" else _PATIENCE_SECONDS
        try:
            answer = self._http.request(method, self._urls[service] + path, timeout=patience, **content)
        except httpx.HTTPError as error:
            raise ServiceError(
                f"{service} at {self._urls[service]} does not answer ({type(error).__name__}): try `quintant doctor`"
            ) from error
        body = _json(answer)
        if answer.is_success:
            return body
        kind = _NotYetError if answer.status_code == httpx.codes.GATEWAY_TIMEOUT else ServiceError
        raise kind(_problem(service, answer.status_code, body))


class _NotYetError(ServiceError):
    """The awaited events are not applied yet."""


def _json(answer: httpx.Response) -> dict[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _problem(service: str, status: int, body: Mapping[str, Any]) -> str:
    """RFC 9457 in one text: the detail, then each fault on a line."""
    lines = [f"{service} says ({status}): {body.get('detail') or body.get('title') or 'nothing more'}"]
    for fault in body.get("errors") or []:
        where = fault.get("pointer") or fault.get("parameter") or ""
        lines.append(f"  {where}: {fault.get('reason', '')}")
    return "\n".join(lines)
