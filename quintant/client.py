"""The services over HTTP, as these commands use them. The only module here that speaks HTTP."""

import json
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote

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

    def import_files(self, mapping: str | bytes, files: Iterable[Path], options: Mapping[str, str]) -> dict[str, Any]:
        """Send files under a mapping: the name of a preset, or the text of a mapping."""
        return self._send_files("/v1/imports", mapping, files, options, {})

    def preview_import(
        self,
        mapping: str | bytes | None,
        files: Iterable[Path],
        options: Mapping[str, str],
        answers: Mapping[str, str],
    ) -> dict[str, Any]:
        """What files would become; without a mapping one is guessed."""
        return self._send_files("/v1/imports/preview", mapping, files, options, answers)

    def save_import_errors(self, import_id: str, file: str | None, target: Path) -> None:
        """Write the rejected rows of an import, or of one of its files."""
        path, parameters = f"/v1/imports/{import_id}/errors.csv", {"file": file} if file else {}
        try:
            with self._http.stream("GET", self._urls["ingest"] + path, params=parameters) as answer:
                if not answer.is_success:
                    answer.read()
                    raise ServiceError(_problem("ingest", answer.status_code, _json(answer)))
                with target.open("wb") as sink:
                    sink.writelines(answer.iter_bytes())
        except httpx.HTTPError as error:
            raise ServiceError(f"ingest broke off while sending the rejected rows ({type(error).__name__})") from error

    def _send_files(
        self,
        path: str,
        mapping: str | bytes | None,
        files: Iterable[Path],
        options: Mapping[str, str],
        answers: Mapping[str, str],
    ) -> dict[str, Any]:
        with ExitStack() as open_files:
            parts: list[tuple[str, Any]] = []
            fields: dict[str, Any] = {"answer": [f"{name}={choice}" for name, choice in answers.items()]}
            if isinstance(mapping, bytes):
                parts.append(("mapping", ("mapping.yaml", mapping)))
            elif mapping is not None:
                fields["mapping"] = mapping
            parts += [("files", (one.name, open_files.enter_context(one.open("rb")))) for one in files]
            return self._send("POST", "ingest", path, params=options, data=fields, files=parts)

    def adapters(self) -> list[Any]:
        return list(self._get("ingest", "/v1/adapters", {})["items"])

    def sources(self) -> dict[str, Any]:
        return self._get("ingest", "/v1/sources", {})

    def source(self, name: str) -> dict[str, Any]:
        return self._get("ingest", f"/v1/sources/{quote(name, safe='')}", {})

    def check_source(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """What ingest thinks of a source before it is written."""
        return self._send("POST", "ingest", "/v1/sources/check", json=said)

    def simulation(self, name: str, story: Mapping[str, Any]) -> dict[str, Any]:
        """Requests as this source would sign them."""
        return self._send("POST", "ingest", f"/v1/sources/{quote(name, safe='')}/simulation", json=story)

    def replay(self, name: str, page: Mapping[str, Any]) -> dict[str, Any]:
        """Read a page of what a source sent again."""
        return self._send("POST", "ingest", f"/v1/sources/{quote(name, safe='')}/replay", json=page)

    def send_event(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Send one CloudEvent in structured mode."""
        structured = {"content-type": "application/cloudevents+json"}
        return self._send("POST", "ingest", "/v1/events", content=json.dumps(event).encode(), headers=structured)

    def pipelines(self) -> list[Any]:
        """The configured sales pipelines with their stages."""
        return list(self._get("pipeline", "/v1/pipelines", {})["pipelines"])

    def deliver(self, path: str, method: str, headers: Mapping[str, str], body: bytes) -> int:
        """Send a webhook as a source would, without our key; the status of the answer."""
        address = f"{self._urls['ingest']}/v1/webhooks/{path}"
        patience = {"timeout": httpx.Timeout(_PATIENCE_SECONDS).as_dict()}
        request = httpx.Request(method, address, headers=dict(headers), content=body, extensions=patience)
        try:
            return self._http.send(request).status_code
        except httpx.HTTPError as error:
            raise _silent("ingest", self._urls["ingest"], error) from error

    def url(self, service: str) -> str:
        """Where a service is reached from here."""
        return self._urls[service]

    def wait_until_applied(self, token: str, seconds: float) -> None:
        """Return once metrics has applied everything that `token` names."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                self._get("metrics", "/v1/kpis", {"after": token})
            except NotYetError:
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
            raise _silent(service, self._urls[service], error) from error
        body = _json(answer)
        if answer.is_success:
            return body
        kind = NotYetError if answer.status_code == httpx.codes.GATEWAY_TIMEOUT else ServiceError
        raise kind(_problem(service, answer.status_code, body))


class NotYetError(ServiceError):
    """The awaited events are not applied yet."""


def _silent(service: str, url: str, error: httpx.HTTPError) -> ServiceError:
    return ServiceError(f"{service} at {url} does not answer ({type(error).__name__}): try `quintant doctor`")


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
