"""The application factory over real HTTP."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from shared.kernel.tokens import Token
from tests.integration.shared_runtime.conftest import LIMIT, Database


def said(response: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    """The body of a problem, after the checks that hold for every problem."""
    body: dict[str, Any] = response.json()
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert (body["status"], body["type"]) == (status, f"urn:quintant:problem:{slug}")
    assert body["instance"] == f"urn:quintant:request:{response.headers['x-request-id']}"
    assert body["title"]
    assert body["detail"]
    return body


async def test_an_answer_carries_freshness_and_a_tag(client: httpx.AsyncClient) -> None:
    first = await client.get("/v1/deals/d-1")
    assert first.json() == {
        "id": "d-1",
        "amount": "1000",
        "as_of": "2026-01-02T03:04:05Z",
        "complete_through": None,
        "events_behind": 3,
    }
    again = await client.get("/v1/deals/d-1", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_a_list_is_walked_by_its_links(client: httpx.AsyncClient) -> None:
    seen, url = [], "/v1/deals?limit=2"
    while url:
        page = await client.get(url)
        seen += [item["id"] for item in page.json()["items"]]
        url = page.links.get("next", {}).get("url", "")
        assert bool(url) == (page.json()["next"] is not None)
    assert seen == [0, 1, 2, 3, 4]


async def test_a_csv_carries_freshness_in_headers(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/deals.csv")
    assert response.text == "id,amount\r\n'=1,1.50\r\n"
    assert response.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    assert response.headers["quintant-as-of"] == "2026-01-02T03:04:05Z"
    assert response.headers["quintant-complete-through"] == ""
    assert response.headers["quintant-events-behind"] == "3"
    assert "deals.csv" in response.headers["content-disposition"]


async def test_waiting_in_vain_tells_the_present_state(client: httpx.AsyncClient) -> None:
    token = Token.of(1, [(0, 10)]).encode()
    body = said(await client.get("/v1/deals/d-1", params={"after": token}), 504, "behind")
    assert (body["as_of"], body["events_behind"]) == ("2026-01-02T03:04:05Z", 3)


@pytest.mark.parametrize("query", ["after=made-up", "after="])
async def test_a_token_made_by_hand(client: httpx.AsyncClient, query: str) -> None:
    said(await client.get(f"/v1/deals/d-1?{query}"), 400, "malformed")


async def test_a_cursor_made_by_hand(client: httpx.AsyncClient) -> None:
    said(await client.get("/v1/deals?cursor=made-up"), 400, "malformed")


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "hunter2"])
async def test_limits_of_a_page(client: httpx.AsyncClient, limit: str) -> None:
    response = await client.get(f"/v1/deals?limit={limit}")
    body = said(response, 422, "invalid")
    assert body["errors"][0]["parameter"] == "limit"
    assert "hunter2" not in response.text


async def test_unknown_path_and_method(client: httpx.AsyncClient) -> None:
    said(await client.get("/v1/hunter2"), 404, "not-found")
    said(await client.get("/v1/deals/d-1/"), 404, "not-found")
    refused = await client.delete("/v1/deals")
    said(refused, 405, "method-not-allowed")
    assert "GET" in refused.headers["allow"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [('{"title":"x","amount":"hunter2"}', "/amount"), ('{"amount":1}', "/title"), ('"hunter2"', ""), ("", "")],
)
async def test_a_body_against_the_contract(client: httpx.AsyncClient, body: str, pointer: str) -> None:
    response = await client.post("/v1/deals", content=body, headers={"content-type": "application/json"})
    assert said(response, 422, "invalid")["errors"][0]["pointer"] == pointer
    assert "hunter2" not in response.text


@pytest.mark.parametrize("body", [b'{"title":', b"\xff\xfe", b'{"title":"\xff"}'])
async def test_a_body_that_cannot_be_read(client: httpx.AsyncClient, body: bytes) -> None:
    said(await client.post("/v1/deals", content=body, headers={"content-type": "application/json"}), 400, "malformed")


async def test_our_own_errors(client: httpx.AsyncClient) -> None:
    conflict = said(await client.post("/v1/deals", json={"title": "x", "amount": "1"}), 409, "conflict")
    assert conflict["errors"] == [{"pointer": "/amount", "reason": "differs"}]
    gone = await client.post("/v1/deals", json={"title": "gone", "amount": "1"})
    said(gone, 503, "unavailable")
    assert int(gone.headers["retry-after"]) > 0


async def test_a_bug_says_nothing_of_itself(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/deals", json={"title": "bug", "amount": "1"})
    said(response, 500, "internal")
    assert "hunter2" not in response.text
    assert "KeyError" not in response.text


@pytest.mark.parametrize("path", ["/v1/deals", "/metrics", "/openapi.json", "/docs", "/no/such/path"])
@pytest.mark.parametrize("header", ["", "Bearer", "Bearer wrong", "Basic both", "both"])
async def test_without_a_known_key(client: httpx.AsyncClient, path: str, header: str) -> None:
    refused = await client.get(path, headers={"authorization": header})
    said(refused, 401, "unauthenticated")
    assert refused.headers["www-authenticate"].startswith("Bearer")


async def test_a_key_without_the_scope(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/deals", json={}, headers={"authorization": "Bearer reading"})
    said(response, 403, "forbidden")


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
async def test_probes_need_no_key(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path, headers={"authorization": ""})).status_code == 200


async def test_readiness_gives_the_reason(client: httpx.AsyncClient, database: Database) -> None:
    database.gone = True
    response = await client.get("/readyz")
    assert response.status_code == 503
    assert response.json() == {"status": "not ready", "reasons": {"postgresql": "PostgreSQL does not answer."}}
    assert (await client.get("/livez")).status_code == 200


async def chunks(size: int) -> AsyncIterator[bytes]:
    for _ in range(size // 100):
        yield b"x" * 100


@pytest.mark.parametrize("chunked", [True, False])
async def test_a_body_over_the_limit(client: httpx.AsyncClient, chunked: bool) -> None:
    for path, limit in (("/v1/deals", LIMIT), ("/v1/webhooks/crm", 10 * LIMIT)):
        content = chunks(limit + 100) if chunked else b"x" * (limit + 1)
        response = await client.post(path, content=content, headers={"content-type": "application/json"})
        said(response, 413, "too-large")


@pytest.mark.parametrize("chunked", [True, False])
async def test_a_body_at_the_limit_of_a_signed_path(client: httpx.AsyncClient, chunked: bool) -> None:
    content = chunks(10 * LIMIT) if chunked else b"x" * (10 * LIMIT)
    response = await client.post("/v1/webhooks/crm", content=content, headers={"authorization": ""})
    assert response.text == str(10 * LIMIT)


async def test_request_ids(client: httpx.AsyncClient) -> None:
    given = await client.get("/livez", headers={"x-request-id": "order-4711"})
    assert given.headers["x-request-id"] == "order-4711"
    for bad in ("short", "with blank inside", "x" * 65, "<script>alert</script>"):
        made = await client.get("/livez", headers={"x-request-id": bad})
        assert made.headers["x-request-id"] != bad


async def test_requests_are_counted_by_route(client: httpx.AsyncClient) -> None:
    for deal in ("d-1", "d-2"):
        await client.get(f"/v1/deals/{deal}")
    await client.get("/v1/nothing-here")
    text = (await client.get("/metrics")).text
    labels = 'method="GET",route="/v1/deals/{deal}",service="pipeline",status="2xx"'
    assert f"quintant_http_requests_total{{{labels}}} 2.0" in text
    assert f"quintant_http_request_duration_seconds_count{{{labels}}} 2.0" in text
    assert 'route="unmatched",service="pipeline",status="4xx"' in text
    assert 'quintant_process_info{role="api",service="pipeline",version="1.2"} 1.0' in text
    assert "d-1" not in text


async def test_the_documents(client: httpx.AsyncClient, app: FastAPI) -> None:
    document = (await client.get("/openapi.json")).json()
    assert document == app.openapi()
    assert document["openapi"].startswith("3.1")
    operations = {(method, path): op for path, item in document["paths"].items() for method, op in item.items()}
    for (_, path), operation in operations.items():
        for status, response in operation["responses"].items():
            if int(status) >= 400 and path != "/readyz":
                assert set(response["content"]) == {"application/problem+json"}, (path, status)
    assert {"400", "401", "404", "504"} <= operations["get", "/v1/deals/{deal}"]["responses"].keys()
    assert {"400", "409", "413", "422"} <= operations["post", "/v1/deals"]["responses"].keys()
    assert operations["get", "/livez"]["security"] == []
    assert operations["post", "/v1/webhooks/{source}"]["security"] == []
    assert "HTTPValidationError" not in document["components"]["schemas"]


async def test_the_page_needs_nothing_else(client: httpx.AsyncClient) -> None:
    page = await client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "For &lt;tests&gt;" in page.text
    assert "/v1/deals/{deal}" in page.text
    assert "<script" not in page.text
    assert "http://" not in page.text
    assert "https://" not in page.text
