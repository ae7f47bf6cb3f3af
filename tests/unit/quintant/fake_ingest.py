"""A small ingest over real HTTP: what `quintant source` needs of it, with two made-up kinds of source."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

KEY = "the-key-of-the-commands"
_ACCEPTED = 202
_DECLARED: dict[str, Any] = {"dedupe": "", "order": "", "retries": "", "answer_seconds": None, "limits": ""}
CRM = {
    **_DECLARED,
    "name": "crm",
    "title": "A CRM",
    "authentication": "HMAC-SHA256",
    "secret": {"title": "Client secret", "origin": "source", "in_url": False},
    "steps": ["Send to {url}", "As portal {portal} with {token}, {secret}, {unknown}"],
    "kinds": ["deals"],
    "stages": {"Offer": "proposal-negotiation", "Won": "won"},
    "canonical": False,
    "simulates": True,
    "questions": [
        {"name": "id_prefix", "title": "Prefix", "type": "text", "required": False, "default": None, "secret": False},
        {"name": "portal", "title": "Portal", "description": "Its number.", "type": "number", "required": True,
         "default": None, "secret": False},
        {"name": "token", "title": "Access token", "type": "text", "required": False, "default": None, "secret": True},
        {"name": "pipelines", "title": "Pipelines", "type": "mapping", "required": False, "default": {},
         "secret": False},
    ],
}  # fmt: skip
SHOP = {
    **_DECLARED,
    "name": "shop",
    "title": "A shop",
    "authentication": "a key in the address",
    "secret": {"title": "Key", "origin": "ours", "in_url": True},
    "steps": ["Send to {url}"],
    "kinds": [],
    "stages": {},
    "canonical": False,
    "simulates": False,
    "questions": [],
}
STAGES = [
    {"pipeline": "main", "label": "s1", "title": "Qualification", "outcome": ""},
    {"pipeline": "main", "label": "s2", "title": "Offer", "outcome": ""},
    {"pipeline": "main", "label": "s3", "title": "Something else", "outcome": ""},
    {"pipeline": "main", "label": "s4", "title": "Signed", "outcome": "won"},
]
_OPEN = ("prospecting", "qualification", "needs-analysis", "solution-presentation", "proposal-negotiation")


@dataclass(slots=True)
class FakeIngest:
    """What it was told and sent, and what it answers."""

    file: Path
    url: str = ""
    public_url: str | None = "https://sales.example"
    events: list[dict[str, Any]] = field(default_factory=list)
    deliveries: list[tuple[str, bytes, str | None]] = field(default_factory=list)
    checks: list[dict[str, Any]] = field(default_factory=list)
    replays: list[dict[str, Any]] = field(default_factory=list)
    stories: list[dict[str, Any]] = field(default_factory=list)
    beside: list[dict[str, Any]] = field(default_factory=list)
    """Sources that it shows beside those of the file."""
    real_events: int = 0
    """What the source itself sends: each look at it brings one more until so many have come."""
    came: int = 0
    tells_stories: bool = True
    signs: bool = True
    problem: str | None = None
    unlocked: bool = True
    """Whether the source's API lets us in."""

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        parts = path.strip("/").split("/")[1:]
        said = json.loads(body) if body and "webhooks" not in parts else {}
        match [method, *parts]:
            case ["GET", "adapters"]:
                return 200, {"items": [CRM, SHOP]}
            case ["GET", "sources"]:
                return 200, {"public_url": self.public_url, "items": [*self._sources(), *self.beside]}
            case ["GET", "sources", name]:
                found = [one for one in [*self._sources(), *self.beside] if one["name"] == name]
                return (200, found[0]) if found else (404, {"detail": "There is no source of this name."})
            case ["GET", "pipelines"]:
                stages = [{"stage": stage} for stage in (*_OPEN, "won", "lost")]
                return 200, {"pipelines": [{"pipeline": "default", "stages": stages}]}
            case ["POST", "sources", "check"]:
                self.checks.append(said)
                return 200, self._checked(said)
            case ["POST", "sources", _, "simulation"]:
                self.stories.append(said)
                if not self.tells_stories:
                    return 422, {"detail": "A setting is missing."}
                return 200, {"url": "", "requests": [self._signed(place, said) for place in range(said["things"])]}
            case ["POST", "sources", _, "replay"]:
                self.replays.append(said)
                counts = {"read": 2, "same": 1, "changed": 1, "new": 0, "unread": 0, "vanished": 0}
                return 200, {**counts, "next": "2" if said["after"] is None else None}
            case ["POST", "events"]:
                self.events.append(said)
                return _ACCEPTED, {"status": "accepted"}
        return 404, {"detail": "nothing here"}

    def _sources(self) -> list[dict[str, Any]]:
        try:
            entries = json.loads(self.file.read_bytes())["sources"]
        except FileNotFoundError:
            return []
        self.came = min(self.came + 1, self.real_events) if entries else 0
        return [
            shown(name, entry["adapter"], accepted=len(self.deliveries) + self.came, problem=self.problem)
            for name, entry in entries.items()
        ]

    def _checked(self, said: dict[str, Any]) -> dict[str, Any]:
        faults = []
        if said["adapter"] == "crm" and said["settings"].get("portal", 0) < 1:
            faults.append({"pointer": "/settings/portal", "reason": "must be 1 or more"})
        if "guess" in said["secrets"]:
            faults.append({"pointer": "/secrets", "reason": "is too short"})
        if not said["secrets"]:
            faults.append({"pointer": "/secrets", "reason": "must be one secret"})
        token = said["settings"].get("token")
        reached = self.unlocked if token and not faults else None
        stages = STAGES if reached else []
        return {"faults": faults, "reached": reached, "detail": "" if reached else "401 from it", "stages": stages}

    def _signed(self, place: int, story: dict[str, Any]) -> dict[str, Any]:
        body = json.dumps({"thing": place, "ended": story["end"]}).encode()
        headers = {"x-signature": f"of {place}"} if self.signs else {}
        return {"method": "POST", "path_key": "", "headers": headers, "body_base64": base64.b64encode(body).decode()}


def shown(name: str, adapter: str | None, **more: Any) -> dict[str, Any]:
    """A source as GET /v1/sources shows it."""
    nothing = {"duplicate": 0, "rejected": 0, "quarantined": 0, "refused": {}, "last_occurred_at": None}
    return {"source": f"/sources/{name}", "name": name, "adapter": adapter, **nothing, **more}


@contextmanager
def serving(fake: FakeIngest) -> Iterator[FakeIngest]:
    """Answers on a port of its own."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            if self.path.startswith("/v1/webhooks/"):
                fake.deliveries.append((self.path, body, self.headers.get("authorization")))
                signed = "x-signature" in self.headers
                self._say(_ACCEPTED if signed else 401, {})
            elif self.headers.get("authorization") != f"Bearer {KEY}":
                self._say(401, {"detail": "a key is needed"})
            else:
                self._say(*fake.answer(self.command, self.path, body))

        do_GET = do_POST = _serve

        def _say(self, status: int, answer: dict[str, Any]) -> None:
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        fake.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield fake
        finally:
            server.shutdown()
            thread.join()
