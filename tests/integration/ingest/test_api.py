"""What senders see: accepted, known, in conflict, refused with a reason, or waiting in the quarantine."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from services.ingest.settings import Settings
from shared.http.standard_webhooks import secret_bytes, signed_headers
from shared.kernel.tokens import Token
from tests.integration.ingest.conftest import KEY, SECRET

STRUCTURED = {"content-type": "application/cloudevents+json"}
BATCH = {"content-type": "application/cloudevents-batch+json"}


def event(id_: str, data: dict[str, Any], entity: str = "deal", **attributes: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "type": f"io.quintant.{entity}.changed.v1",
        "source": "/crm/test",
        "id": id_,
        "time": "2026-03-01T10:00:00+08:00",
        "data": data,
        **attributes,
    }


async def post(client: httpx.AsyncClient, body: object, headers: dict[str, str] = STRUCTURED) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await client.post("/v1/events", content=content, headers=headers)


async def test_an_event_is_accepted_once_and_can_be_read_back_raw_and_canonical(client: httpx.AsyncClient) -> None:
    sent = event("read-back/1", {"id": "D-1", "amount": {"amount": "10.50", "currency": "EUR"}, "title": None})
    first = await post(client, sent)
    assert (first.status_code, first.json()["status"]) == (202, "accepted")
    token = Token.decode(first.json()["token"])
    assert len(token.positions) == 1

    again = await post(client, sent)
    assert (again.status_code, again.json()["status"]) == (200, "duplicate")
    assert again.json()["token"] == first.json()["token"]

    other = await post(client, event("read-back/1", {"id": "D-1", "amount": {"amount": "11", "currency": "EUR"}}))
    assert other.status_code == 409
    assert other.json()["type"] == "urn:quintant:problem:conflict"

    found = await client.get("/v1/events/%2Fcrm%2Ftest/read-back%2F1")
    assert found.status_code == 200, found.text
    assert found.json()["data"] == {"amount": {"amount": "10.5", "currency": "EUR"}, "id": "D-1", "title": None}
    assert found.json()["time"] == "2026-03-01T02:00:00Z"
    raw = await client.get(f"/v1/raw/{found.json()['raw']['id']}")
    assert raw.content == json.dumps(sent).encode()


async def test_reference_events_go_to_every_partition(client: httpx.AsyncClient, settings: Settings) -> None:
    answer = await post(client, event("p1", {"id": "P-1", "price": {"amount": "5", "currency": "EUR"}}, "product"))
    assert [p for p, _ in Token.decode(answer.json()["token"]).positions] == list(range(settings.partitions))


async def test_binary_mode(client: httpx.AsyncClient) -> None:
    headers = {
        "content-type": "application/json",
        "ce-specversion": "1.0",
        "ce-type": "io.quintant.deal.changed.v1",
        "ce-source": "/crm/test",
        "ce-id": "binary-1",
        "ce-time": "2026-03-01T10:00:00Z",
    }
    answer = await post(client, {"id": "D-2"}, headers)
    assert answer.status_code == 202, answer.text


async def test_a_partly_bad_batch_answers_item_by_item(client: httpx.AsyncClient) -> None:
    answer = await post(
        client,
        [
            event("b1", {"id": "D-3"}),
            event("b2", {"id": "D-4", "amount": {"amount": "NaN", "currency": "EUR"}}),
            event("b3", {"id": "D-5", "amount": {"amount": "1", "currency": "XYZ"}}),
            event("b4", {"id": "D-6"}, time="2026-03-01T10:00:00"),
            event("b5", {"id": "D-7", "surprise": 1}),
            event("b1", {"id": "D-3"}),
        ],
        BATCH,
    )
    assert answer.status_code == 202
    items = answer.json()["items"]
    statuses = ["accepted", "rejected", "rejected", "rejected", "rejected", "duplicate"]
    assert [item["status"] for item in items] == statuses
    assert [item["problem"]["errors"][0].get("pointer") for item in items[1:5]] == [
        "/amount/amount",
        "/amount/currency",
        "/time",
        "/surprise",
    ]
    assert answer.json()["counts"] == {"accepted": 1, "duplicate": 1, "quarantined": 0, "rejected": 4}


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{", STRUCTURED, 400),
        (b"\xff\xfe", STRUCTURED, 400),
        (b"[" * 100 + b"]" * 100, STRUCTURED, 413),
        (b"{}", {"content-type": "text/plain"}, 415),
        (b"{}", STRUCTURED, 422),
        (b'{"id": NaN}', STRUCTURED, 400),
        (b" " * (9 * 1024 * 1024), STRUCTURED, 413),
    ],
    ids=["cut", "no utf-8", "deep", "media type", "empty", "nan", "long"],
)
async def test_what_cannot_be_read_is_a_problem(
    client: httpx.AsyncClient, body: bytes, headers: dict[str, str], status: int
) -> None:
    answer = await post(client, body, headers)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


async def test_two_currencies_in_one_order_are_refused(client: httpx.AsyncClient) -> None:
    lines = {
        "1": {"quantity": "1", "unit_price": {"amount": "1", "currency": "EUR"}},
        "2": {"quantity": "1", "unit_price": {"amount": "1", "currency": "USD"}},
    }
    answer = await post(client, event("two", {"id": "O-1", "lines": lines}, "order"))
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:quintant:problem:currency-mismatch")


async def test_an_unknown_stage_waits_until_its_stage_map_comes(client: httpx.AsyncClient) -> None:
    sent = event("stage-1", {"id": "D-8", "stage": "Angebot"}, source="/crm/german")
    held = await post(client, sent)
    assert (held.status_code, held.json()["status"]) == (202, "quarantined")
    assert (await client.get("/v1/events/%2Fcrm%2Fgerman/stage-1")).status_code == 404
    listed = (await client.get("/v1/quarantine")).json()["items"]
    assert [(one["source"], one["event_id"], one["reason"]) for one in listed] == [
        ("/crm/german", "stage-1", "unknown-stage")
    ]
    again = await client.post(f"/v1/quarantine/{held.json()['quarantine_id']}/retry")
    assert again.json()["status"] == "quarantined"

    stage_map = {
        "id": "/crm/german#default",
        "of_source": "/crm/german",
        "pipeline_id": "default",
        "stages": {"Angebot": {"stage": "proposal-negotiation"}},
    }
    mapped = await post(client, event("map-1", stage_map, "stage-map", source="/crm/german"))
    assert mapped.status_code == 202, mapped.text
    assert (await client.get("/v1/events/%2Fcrm%2Fgerman/stage-1")).status_code == 200
    assert (await client.get("/v1/quarantine")).json()["items"] == []
    assert (await post(client, sent)).json()["status"] == "duplicate"


async def test_personal_data_stay_with_ingest(client: httpx.AsyncClient) -> None:
    await post(client, event("m1", {"id": "M-1", "name": "Wang Xiaoming", "role": "rep"}, "member"))
    public = (await client.get("/v1/events/%2Fcrm%2Ftest/m1")).json()
    assert public["data"] == {"id": "M-1", "role": "rep"}
    assert public["has_personal_data"] is True
    persons = (await client.get("/v1/persons/member", params={"id": "M-1"})).json()["items"]
    assert persons == [{"id": "M-1", "name": "Wang Xiaoming"}]


def delivery(body: bytes, secret: str = SECRET, at: datetime | None = None, id_: str = "msg_1") -> dict[str, str]:
    return signed_headers([secret_bytes(secret)], id_, at or datetime.now(UTC), body)  # noqa: TID251


async def test_signed_webhooks(client: httpx.AsyncClient) -> None:
    body = json.dumps(
        {"type": "io.quintant.deal.changed.v1", "timestamp": "2026-03-01T10:00:00Z", "data": {"id": "D-9"}}
    ).encode()
    good = await client.post("/v1/webhooks/erp", content=body, headers=delivery(body) | {"authorization": ""})
    assert (good.status_code, good.json()["status"]) == (202, "accepted"), good.text
    again = await client.post("/v1/webhooks/erp", content=body, headers=delivery(body))
    assert again.json()["status"] == "duplicate"

    strange = json.dumps({"type": "quote.sent", "timestamp": "2026-03-01T10:00:00Z", "data": {}}).encode()
    held = await client.post("/v1/webhooks/erp", content=strange, headers=delivery(strange, id_="msg_2"))
    assert (held.status_code, held.json()["status"]) == (202, "quarantined")


async def test_a_bad_signature_and_an_unknown_source_get_the_same_answer(client: httpx.AsyncClient) -> None:
    body = b'{"type": "io.quintant.deal.changed.v1"}'
    wrong = "whsec_" + base64.b64encode(b"another secret altogether").decode()
    refused = [
        await client.post("/v1/webhooks/erp", content=body, headers=delivery(body, wrong)),
        await client.post("/v1/webhooks/erp", content=body + b" ", headers=delivery(body)),
        await client.post(
            "/v1/webhooks/erp", content=body, headers=delivery(body, at=datetime(2020, 1, 1, tzinfo=UTC))
        ),
        await client.post("/v1/webhooks/erp", content=body),
        await client.post("/v1/webhooks/nobody", content=body, headers=delivery(body)),
    ]
    bodies = [{k: v for k, v in answer.json().items() if k != "instance"} for answer in refused]
    assert {answer.status_code for answer in refused} == {401}
    assert all(one == bodies[0] for one in bodies)


async def test_sources_and_the_need_of_a_key(client: httpx.AsyncClient) -> None:
    found = {one["source"]: one for one in (await client.get("/v1/sources")).json()["items"]}
    assert found["/sources/erp"]["accepted"] == 1
    assert found["/sources/erp"]["quarantined"] == 1
    assert (await client.get("/v1/sources", headers={"authorization": "Bearer wrong"})).status_code == 401
    assert (await client.get("/livez", headers={"authorization": ""})).status_code == 200
    assert (await client.get("/readyz", headers={"authorization": ""})).status_code == 200
    assert KEY not in (await client.get("/metrics")).text


async def test_a_cursor_made_up_by_hand(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/quarantine", params={"cursor": "abc"})).status_code == 400
