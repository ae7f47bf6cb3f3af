"""File imports over HTTP: a dry run, a clean run, the same again, and every way in which files can be wrong."""

from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.kernel.tokens import Token

DATA = Path(__file__).parents[3] / "quintant" / "demo_data" / "maven-crm"
MAPPING = """
name: price-list
source: /import/price-list
as_of: 2026-03-31
files:
  products:
    name: products.csv
    columns: [code, price]
    key: code
    events:
      - entity: product
        id: code
        occurred_at: $as_of
        fields: { price: "price | money:EUR" }
"""


async def send(
    client: httpx.AsyncClient, files: dict[str, str], mapping: str = MAPPING, **options: str
) -> httpx.Response:
    parts: list[tuple[str, Any]] = [("mapping", ("mapping.yaml", mapping.encode()))]
    parts += [("files", (name, text.encode(), "text/csv")) for name, text in files.items()]
    return await client.post("/v1/imports", params=options, files=parts)


async def test_a_dry_run_says_what_an_import_then_does_and_the_same_files_add_nothing(
    client: httpx.AsyncClient,
) -> None:
    files = {"products.csv": "code,price\nA,1.50\nB,two\nC,3\n"}
    dry = await send(client, files, dry_run="true")
    assert dry.status_code == 200, dry.text
    assert {key: dry.json()[key] for key in ("accepted", "duplicate", "rejected", "token")} == {
        "accepted": 2,
        "duplicate": 0,
        "rejected": 1,
        "token": None,
    }
    real = (await send(client, files)).json()
    assert (real["accepted"], real["rejected"]) == (2, 1)
    [refused] = real["rejections"]
    assert (refused["file"], refused["row"], refused["column"]) == ("products.csv", 3, "price")
    assert "two" not in refused["reason"]
    assert len(Token.decode(real["token"]).positions) == 4
    again = (await send(client, files)).json()
    assert (again["accepted"], again["duplicate"]) == (0, 2)
    assert again["import_id"] == real["import_id"]
    kept = await client.get(f"/v1/imports/{real['import_id']}")
    assert kept.json()["duplicate"] == 2


async def test_history_is_dated_back_only_while_a_source_has_none_that_is_live(client: httpx.AsyncClient) -> None:
    mapping = MAPPING.replace("/import/price-list", "/import/history").replace("$as_of", "text:2025-06-30 | date")
    first = await send(client, {"products.csv": "code,price\nH1,1\n"}, mapping, known="occurred")
    assert first.json()["accepted"] == 1, first.text
    event = "product:H1@2026-03-31T23:59:59.999999Z"
    found = (await client.get(f"/v1/events/%2Fimport%2Fhistory/{event}")).json()
    assert (found["known_on"], found["reconstructed"]) == ("2025-06-30", True)
    live = await send(client, {"products.csv": "code,price\nH2,1\n"}, mapping)
    assert live.json()["accepted"] == 1
    late = await send(client, {"products.csv": "code,price\nH3,1\n"}, mapping, known="occurred")
    assert (late.status_code, late.json()["type"]) == (409, "urn:quintant:problem:conflict")


@pytest.mark.parametrize(
    ("files", "mapping", "options"),
    [
        ({}, MAPPING, {}),
        ({"products.csv": "code\nA\n"}, MAPPING.replace("as_of: 2026-03-31", "as_of: x"), {}),
        ({"products.csv": "code,price\nA,1\n"}, "- not\n- a mapping", {}),
        ({"products.csv": "code,price\nA,1\n"}, MAPPING, {"as_of": "2999-01-01T00:00:00Z"}),
        ({"products.csv": "code,price\nA,1\n"}, MAPPING, {"as_of": "2026-01-01T00:00:00"}),
        ({"products.csv": "code,price\nA,1\n"}, MAPPING, {"known": "sometime"}),
    ],
    ids=["no file", "bad mapping", "no mapping", "future", "naive time", "unknown option"],
)
async def test_what_cannot_be_imported_at_all_is_a_problem(
    client: httpx.AsyncClient, files: dict[str, str], mapping: str, options: dict[str, str]
) -> None:
    answer = await send(client, files, mapping, **options)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


async def test_an_unknown_preset(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/imports", data={"mapping": "nobody"}, files=[("files", ("a.csv", b"a\n1\n"))])
    assert answer.status_code == 422
    assert "maven-crm" in answer.json()["errors"][0]["reason"]


async def test_a_preset_dry_run_counts_every_row_and_keeps_nothing(client: httpx.AsyncClient) -> None:
    files = [("files", (p.name, p.read_bytes())) for p in DATA.glob("*.csv") if p.name != "data_dictionary.csv"]
    options = {"dry_run": "true", "known": "occurred"}
    answer = await client.post("/v1/imports", params=options, data={"mapping": "maven-crm"}, files=files)
    assert (answer.json()["accepted"], answer.json()["rejected"]) == (15656, 0)
    sources = (await client.get("/v1/sources")).json()["items"]
    assert "/import/maven-crm" not in {one["source"] for one in sources}
    assert date.fromisoformat(answer.json()["as_of"][:10]) == date(2017, 12, 31)
