"""A preview stores nothing and proposes a mapping that then imports; rejected rows come back as a file to be mended."""

from typing import Any

import httpx
import pytest

from tests.unit.ingest_imports.workbooks import workbook

DEALS = """商机编号,商机名称,客户名称,销售阶段,预计金额（万元）,负责人,预计成交日期,创建日期
O-1,华东项目,甲公司,赢单,"1,200.5",张三,2026/3/1,2026/1/5
O-2,西南项目,乙公司,需求分析,30,李四,2026/5/10,2026/2/15
O-3,华北项目,丙公司,报价,未定,李四,2026/5/11,2026/2/16
"""


async def preview(
    client: httpx.AsyncClient, files: dict[str, bytes], answers: tuple[str, ...] = (), **options: str
) -> httpx.Response:
    parts: list[tuple[str, Any]] = [("files", (name, content)) for name, content in files.items()]
    parts += [("answer", (None, one)) for one in answers]
    return await client.post("/v1/imports/preview", params=options, files=parts)


async def send(client: httpx.AsyncClient, mapping: str, files: dict[str, bytes], **options: str) -> dict[str, Any]:
    parts: list[tuple[str, Any]] = [("mapping", ("mapping.yaml", mapping.encode()))]
    parts += [("files", (name, content)) for name, content in files.items()]
    answer = await client.post("/v1/imports", params=options, files=parts)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_chinese_file_from_preview_to_mended_rows(client: httpx.AsyncClient) -> None:
    files = {"商机.csv": DEALS.encode("gb18030")}
    seen = (await preview(client, files, source="/import/zh")).json()
    assert seen["questions"] == []
    outcome = seen["outcome"]
    assert (outcome["accepted"], outcome["duplicate"], outcome["rejected"]) == (9, 0, 1)
    assert {one["column"]: one["meaning"] for one in seen["columns"]}["商机编号"] == "deal.id"
    won = next(one for one in seen["events"] if one["id"].startswith("deal-closed:O-1"))
    assert won["data"]["amount"] == {"amount": "12005000", "currency": "CNY"}
    sources = (await client.get("/v1/sources")).text
    assert "/import/zh" not in sources

    done = await send(client, seen["mapping"], files)
    assert (done["accepted"], done["rejected"]) == (9, 1)
    assert done["error_files"] == [{"file": "商机.csv", "rows": 1}]
    answer = await client.get(f"/v1/imports/{done['import_id']}/errors.csv")
    assert answer.content.startswith(b"\xef\xbb\xbf")
    header, row = answer.content.decode("utf-8-sig").splitlines()
    assert header.startswith("error_file,error_row,error_column,error_reason,商机编号")
    assert row.startswith("商机.csv,4,预计金额（万元）,")
    assert ",O-3,华北项目,丙公司,报价,未定," in row

    mended = answer.content.replace("未定".encode(), b"8")
    again = await send(client, seen["mapping"], {"商机.errors.csv": mended})
    assert (again["accepted"] > 0, again["rejected"]) == (True, 0)
    member = next(one["subject"] for one in seen["events"] if "member" in one["type"])
    named = (await client.get("/v1/persons/member", params={"id": member})).json()["items"]
    assert named[0]["name"] in {"张三", "李四"}


async def test_an_ambiguous_date_is_asked(client: httpx.AsyncClient) -> None:
    files = {"deals.csv": b"Deal ID,Stage,Amount (USD),Created Date\nA,Won,5,03/04/2026\nB,Won,6,01/02/2026\n"}
    first = (await preview(client, files)).json()
    assert first["mapping"] is None
    [question] = first["questions"]
    assert (question["id"], question["choices"]) == ("date-order", ["day-first", "month-first"])
    second = (await preview(client, files, ("date-order=day-first",))).json()
    assert "date:DD/MM/YYYY" in second["mapping"]
    wrong = await preview(client, files, ("date-order=day-first", "weather=fine"))
    assert wrong.status_code == 422
    assert "weather" in wrong.text


async def test_excel_over_http(client: httpx.AsyncClient) -> None:
    header = ["Product Code", "Product Name", "List Price (EUR)"]
    content = workbook([header, ["P-1", "Lamp", 12], ["P-2", "Sofa", 9], ["P-3", "Chair", True]])
    undated = (await preview(client, {"prices.xlsx": content})).json()
    assert [one["id"] for one in undated["questions"]] == ["as_of"]
    seen = (await preview(client, {"prices.xlsx": content}, as_of="2026-03-31T18:00:00Z")).json()
    assert seen["outcome"]["accepted"] == 2
    [refused] = seen["outcome"]["rejections"]
    assert (refused["row"], refused["column"]) == (4, "List Price (EUR)")


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.xlsx", workbook([["a"]])[:300], "damaged"),
        ("a.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "save it as .xlsx"),
        ("a.csv", b"", "is empty"),
    ],
)
async def test_what_cannot_be_read_says_what_to_do(
    client: httpx.AsyncClient, name: str, content: bytes, reason: str
) -> None:
    answer = await preview(client, {name: content})
    assert answer.status_code == 422
    assert reason in answer.text


async def test_a_broken_zip_is_a_rejected_file_of_an_import(client: httpx.AsyncClient) -> None:
    mapping = """
name: broken
source: /import/broken
as_of: 2026-03-31
files:
  products: {name: "*", columns: [code], key: code, events: [{entity: product, id: code, occurred_at: $as_of}]}
"""
    done = await send(client, mapping, {"a.xlsx": workbook([["code"], ["A"]])[:-40]})
    assert (done["accepted"], done["rejected"], done["error_files"]) == (0, 1, [])
    assert "damaged" in done["rejections"][0]["reason"]
    missing = await client.get(f"/v1/imports/{done['import_id']}/errors.csv")
    assert missing.status_code == 404
    unknown = await client.get("/v1/imports/nobody/errors.csv")
    assert unknown.status_code == 404


async def test_rows_of_several_files_stand_under_their_own_headers(client: httpx.AsyncClient) -> None:
    mapping = """
name: two
source: /import/two
as_of: 2026-03-31
files:
  a: {name: a.csv, columns: [code, price], key: code,
      events: [{entity: product, id: code, occurred_at: $as_of, fields: {price: "price | money:EUR"}}]}
  b: {name: b.csv, columns: [id, days], delimiter: ";", key: id,
      events: [{entity: customer, id: id, occurred_at: $as_of, fields: {credit_days: "days | whole"}}]}
"""
    files = {"a.csv": b"code,price,note\nA,x,=1+1\nB,2,\n", "b.csv": b"id;days\n1;y\n2;3\n"}
    done = await send(client, mapping, files)
    both = (await client.get(f"/v1/imports/{done['import_id']}/errors.csv")).content.decode("utf-8-sig")
    first, second = both.split("\r\n\r\n")
    assert first.splitlines()[0] == "error_file,error_row,error_column,error_reason,code,price,note"
    assert first.splitlines()[1].endswith(",A,x,'=1+1")
    assert second.splitlines()[0] == "error_file;error_row;error_column;error_reason;id;days"
    one = await client.get(f"/v1/imports/{done['import_id']}/errors.csv", params={"file": "b.csv"})
    assert one.content.decode("utf-8-sig") == second
    assert "b.errors.csv" in one.headers["content-disposition"]
