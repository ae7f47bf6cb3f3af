"""Configured sources over HTTP: what is genuine is never lost, what is not is refused alike, secrets stay secret."""

import asyncio
import base64
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.ingest.settings import Settings
from services.ingest.sources.twenty.simulator import signed
from services.ingest.wiring import build_api
from shared.storage.database import Database
from shared.telemetry.metrics import Metrics
from tests.integration.ingest.conftest import KEY

SECRET, NEXT_SECRET, API_KEY = "canary-7f3a9c-first", "canary-7f3a9c-second", "canary-7f3a9c-api-key"
CANARY = "canary-7f3a9c"
NOW = datetime.now(UTC).replace(microsecond=0)  # noqa: TID251


class Sources:
    """The sources file of this module."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.entries: dict[str, Any] = {}

    def put(self, name: str, adapter: str = "twenty", secrets: tuple[str, ...] = (SECRET,), **settings: Any) -> None:
        live = [{"value": secret, "since": "2026-01-01"} for secret in secrets]
        self.entries[name] = {"adapter": adapter, "secrets": live, "settings": settings}
        self.path.write_text(json.dumps({"sources": self.entries}))


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    made = Sources(tmp_path_factory.mktemp("sources") / "sources.json")
    made.put("twenty")
    return made


@pytest.fixture(scope="module")
async def client(settings: Settings, database: Database, sources: Sources) -> AsyncIterator[httpx.AsyncClient]:
    chosen = settings.model_copy(
        update={"ingest_sources_file": sources.path, "ingest_public_url": "https://in.example.com"}
    )
    died: list[str] = []
    app = build_api(chosen, database, Metrics(), on_death=died.append)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app),
            base_url="http://ingest.test",
            headers={"authorization": f"Bearer {KEY}"},
        ) as made,
    ):
        yield made
    assert died == []


def notice(number: int, minute: int = 0, event: str = "opportunity.updated", **fields: Any) -> bytes:
    at = (NOW - timedelta(hours=1) + timedelta(minutes=minute)).isoformat().replace("+00:00", ".000Z")
    record = {
        "id": f"o-{number}",
        "name": "Acme",
        "stage": "won",
        "amount": {"amountMicros": "12000000000", "currencyCode": "EUR"},
        "closeDate": "2026-12-20T00:00:00.000Z",
        "createdAt": at,
        "updatedAt": at,
        **fields,
    }
    return json.dumps({"eventName": event, "eventDate": at, "record": record}).encode()


async def deliver(
    client: httpx.AsyncClient, body: bytes, name: str = "twenty", secret: str = SECRET, at: datetime | None = None
) -> httpx.Response:
    headers = signed(secret, body, at or datetime.now(UTC))  # noqa: TID251
    return await client.post(f"/v1/webhooks/{name}", content=body, headers=headers | {"authorization": ""})


async def test_a_delivery_becomes_an_event_that_leads_back_to_its_bytes(client: httpx.AsyncClient) -> None:
    body = notice(1)
    answer = await deliver(client, body)
    assert (answer.status_code, answer.json()["status"]) == (202, "accepted"), answer.text
    said = answer.json()
    path = f"/v1/events/{said['source'].replace('/', '%2F')}/{said['id'].replace('/', '%2F')}"
    event = (await client.get(path)).json()
    assert event["data"]["amount"] == {"amount": "12000", "currency": "EUR"}
    assert event["subject"] == "twenty:o-1"
    raw = await client.get(f"/v1/raw/{event['raw']['id']}")
    assert raw.content == body
    assert (await deliver(client, body)).json()["status"] == "duplicate"


async def delivered(client: httpx.AsyncClient) -> int:
    """How many deliveries of the source are counted."""
    source = (await client.get("/v1/sources/twenty")).json()
    return sum(day["delivered"] for day in source["coverage"])


async def test_genuine_deliveries_are_never_refused_for_what_they_say(client: httpx.AsyncClient) -> None:
    before = await delivered(client)
    for body in (
        notice(2, event="note.created"),
        notice(2, amount={"amountMicros": "1", "currencyCode": "Bitcoin"}),
        b'{"eventName": "opportunity.updated", "eventDate": "yesterday", "record": {"id": "x"}}',
        b"[]",
        b"\xff\xfe not JSON",
    ):
        answer = await deliver(client, body)
        assert (answer.status_code, answer.json()["status"]) == (202, "quarantined"), (body, answer.text)
        held = answer.json()["quarantine_id"]
        again = await deliver(client, body)
        assert again.json()["quarantine_id"] == held
        retried = await client.post(f"/v1/quarantine/{held}/retry")
        assert retried.json()["status"] == "quarantined", retried.text
    assert await delivered(client) == before + 10


async def test_bytes_in_the_quarantine_are_taken_in_when_they_can_be_read(
    client: httpx.AsyncClient, sources: Sources
) -> None:
    body = notice(3, amount={"amountMicros": "5000000", "currencyCode": None})
    held = (await deliver(client, body)).json()
    assert held["status"] == "quarantined"
    sources.put("twenty", currency="USD")
    retried = (await client.post(f"/v1/quarantine/{held['quarantine_id']}/retry")).json()
    assert retried["status"] == "accepted", retried
    assert (await client.post(f"/v1/quarantine/{held['quarantine_id']}/retry")).status_code == 409
    assert (await deliver(client, body)).json()["status"] == "duplicate"


async def test_what_is_not_genuine_gets_one_answer_in_one_time(client: httpx.AsyncClient) -> None:
    body = notice(4)
    loop = asyncio.get_running_loop()
    bodies, seconds = [], []
    attempts: list[Callable[[], Awaitable[httpx.Response]]] = [
        lambda: deliver(client, body, secret="another"),
        lambda: deliver(client, body, at=NOW - timedelta(hours=2)),
        lambda: deliver(client, body, name="nobody"),
        lambda: client.post("/v1/webhooks/twenty", content=body, headers={"authorization": ""}),
        lambda: client.post("/v1/webhooks/twenty/guessed-key", content=body, headers={"authorization": ""}),
    ]
    for attempt in attempts:
        began = loop.time()
        refused = await attempt()
        seconds.append(loop.time() - began)
        assert refused.status_code == 401
        bodies.append({key: value for key, value in refused.json().items() if key != "instance"})
    assert all(one == bodies[0] for one in bodies)
    assert min(seconds) >= 0.05
    await _until(client, lambda found: sum(found["refused"].values()) == 4)
    found = (await client.get("/v1/sources/twenty")).json()
    assert found["refused"] == {"missing-header": 2, "signature": 1, "timestamp": 1}


async def _until(client: httpx.AsyncClient, holds: Any, name: str = "twenty") -> None:
    async with asyncio.timeout(10):
        while not holds((await client.get(f"/v1/sources/{name}")).json()):  # noqa: ASYNC110 - the event is in PostgreSQL
            await asyncio.sleep(0.05)


async def test_two_secrets_live_during_a_rotation(client: httpx.AsyncClient, sources: Sources) -> None:
    sources.put("twenty", secrets=(SECRET, NEXT_SECRET))
    assert (await deliver(client, notice(5))).status_code == 202
    assert (await deliver(client, notice(5, 1), secret=NEXT_SECRET)).status_code == 202
    sources.put("twenty", secrets=(NEXT_SECRET,))
    assert (await deliver(client, notice(5, 2))).status_code == 401
    assert (await deliver(client, notice(5, 3), secret=NEXT_SECRET)).status_code == 202
    sources.put("twenty")


async def test_a_doubled_signature_is_none(client: httpx.AsyncClient) -> None:
    body = notice(6)
    headers = signed(SECRET, body, datetime.now(UTC))  # noqa: TID251
    twice = [*headers.items(), ("x-twenty-webhook-signature", headers["x-twenty-webhook-signature"])]
    assert (await client.post("/v1/webhooks/twenty", content=body, headers=twice)).status_code == 401


async def test_cloudevents_senders_may_ask_whether_they_may_send(client: httpx.AsyncClient) -> None:
    asked = {"webhook-request-origin": "sender.example.com", "authorization": ""}
    for name in ("twenty", "nobody"):
        answer = await client.options(f"/v1/webhooks/{name}", headers=asked)
        assert (answer.status_code, answer.headers["webhook-allowed-origin"]) == (200, "sender.example.com")


async def test_a_mended_adapter_reads_history_again_and_nothing_doubles(
    client: httpx.AsyncClient, sources: Sources
) -> None:
    sources.put("later", currency="USD")
    bodies = [notice(number, amount={"amountMicros": "5000000", "currencyCode": None}) for number in range(20, 26)]
    for body in bodies:
        assert (await deliver(client, body, name="later")).json()["status"] == "accepted"
    sources.put("later", currency="CNY")
    asked = {"since": (NOW - timedelta(days=1)).isoformat()}
    seen = (await client.post("/v1/sources/later/replay", json={**asked, "dry_run": True})).json()
    assert (seen["read"], seen["changed"], seen["new"], seen["next"]) == (6, 6, 0, None)
    done = (await client.post("/v1/sources/later/replay", json=asked)).json()
    assert (done["changed"], done["new"], done["same"]) == (6, 0, 0)
    again = (await client.post("/v1/sources/later/replay", json=asked)).json()
    assert (again["changed"], again["new"], again["same"]) == (0, 0, 6)
    said = (await deliver(client, bodies[0], name="later")).json()
    path = f"/v1/events/%2Fsources%2Flater/{said['id'].replace('/', '%2F')}"
    event = (await client.get(path)).json()
    assert (event["revision"], event["data"]["amount"]["currency"]) == (1, "CNY")
    assert [one["data"]["amount"]["currency"] for one in event["revisions"]] == ["USD"]


async def test_a_simulated_story_can_be_sent_and_taken_away_again(client: httpx.AsyncClient) -> None:
    for end in (False, True):
        told = (await client.post("/v1/sources/twenty/simulation", json={"seed": 3, "things": 5, "end": end})).json()
        assert told["url"] == "https://in.example.com/v1/webhooks/twenty"
        for one in told["requests"]:
            answer = await client.request(
                one["method"],
                "/v1/webhooks/twenty",
                content=base64.b64decode(one["body_base64"]),
                headers=one["headers"] | {"authorization": ""},
            )
            assert answer.status_code == 202, answer.text
        assert len(told["requests"]) >= (4 if end else 10)


async def test_a_source_is_checked_before_it_is_configured(client: httpx.AsyncClient) -> None:
    good = {"name": "crm", "adapter": "twenty", "secrets": ["s"], "settings": {"currency": "EUR"}}
    assert (await client.post("/v1/sources/check", json=good)).json() == {
        "faults": [],
        "reached": None,
        "detail": "",
        "stages": [],
    }
    for wrong, pointer in (
        ({"adapter": "tweny"}, "/adapter"),
        ({"name": "My CRM"}, "/name"),
        ({"secrets": []}, "/secrets"),
        ({"settings": {"curency": "EUR"}}, "/settings"),
        ({"settings": {"time_zone": "Mars"}}, "/settings"),
    ):
        faults = (await client.post("/v1/sources/check", json=good | wrong)).json()["faults"]
        assert [one["pointer"].startswith(pointer) for one in faults] == [True], (wrong, faults)


async def test_one_wrong_entry_is_told_and_hurts_no_other(client: httpx.AsyncClient, sources: Sources) -> None:
    sources.put("broken", adapter="no-such")
    found = {one["name"]: one for one in (await client.get("/v1/sources")).json()["items"]}
    assert "/adapter must be one of" in found["broken"]["problem"]
    assert (await deliver(client, notice(7))).status_code == 202
    assert (await deliver(client, notice(7), name="broken")).status_code == 401
    del sources.entries["broken"]
    sources.put("twenty")


async def test_a_half_written_file_changes_nothing(client: httpx.AsyncClient, sources: Sources) -> None:
    whole = sources.path.read_text()
    sources.path.write_text(whole[: len(whole) // 2])
    assert (await deliver(client, notice(9))).status_code == 202
    assert "stay as they were" in (await client.get("/v1/sources")).json()["problem"]
    sources.path.write_text(whole)
    await asyncio.sleep(0)  # the file is looked at once in a turn of the loop; over a network a turn ends before this
    assert (await client.get("/v1/sources")).json()["problem"] is None


async def test_secrets_are_shown_nowhere(
    client: httpx.AsyncClient, sources: Sources, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    sources.put("canary", secrets=(SECRET, NEXT_SECRET), api_key=API_KEY, api_url="http://127.0.0.1:9")
    await deliver(client, notice(8), name="canary")
    await deliver(client, b"not JSON", name="canary")
    await client.post(f"/v1/webhooks/canary/{SECRET}", content=b"{}", headers={"authorization": ""})
    entry = {"name": "canary", "adapter": "twenty", "secrets": [SECRET], "settings": {"api_key": API_KEY}}
    checked = await client.post("/v1/sources/check", json=entry | {"settings": {"api_key": 5, "time_zone": API_KEY}})
    reached = await client.post(
        "/v1/sources/check", json=entry | {"settings": {"api_key": API_KEY, "api_url": "http://127.0.0.1:9"}}
    )
    assert reached.json()["reached"] is False
    malformed = await client.post("/v1/sources/check", json={**entry, "secrets": {"a": SECRET}})
    assert malformed.status_code == 422
    shown = [checked.text, reached.text, malformed.text]
    for path in ("/v1/sources", "/v1/sources/canary", "/v1/adapters", "/v1/quarantine", "/metrics", "/openapi.json"):
        shown.append((await client.get(path)).text)
    told = await client.post("/v1/sources/canary/simulation", json={"seed": 1, "things": 1})
    shown.append(told.text)
    shown += [base64.b64decode(one["body_base64"]).decode() for one in told.json()["requests"]]
    out, err = capfd.readouterr()
    logged = [one.getMessage() for one in caplog.records if not one.name.startswith("http")]  # not the test's client
    for text in (*shown, out, err, *logged):
        assert CANARY not in text, text
