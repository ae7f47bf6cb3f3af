"""The error file: every rejected row once, its cells as they came, harmless to open and fit to be imported again."""

import csv
import io
import zlib
from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from services.ingest.imports import ImportFiles, Limits, Rejected, Rejection, error_files, read_mapping
from services.ingest.imports.error_file import COLUMNS, harmless
from tests.unit.ingest_imports.reading import DEALS, deals, read
from tests.unit.ingest_imports.workbooks import Error, workbook

ANY = DEALS.replace("name: deals.csv", 'name: "deals*"')
HEAD = "id,opened,amount,owner"
LINES = """name: shop
source: /import/shop
details:
  lines: { file: lines, key: order }
files:
  orders:
    name: orders.csv
    columns: [order, opened]
    key: order
    events:
      - entity: order
        id: order
        occurred_at: opened | date
        fields:
          lines: { each: lines, by: order, id: line, fields: { quantity: "count | decimal" } }
  lines: { name: lines.csv, columns: [order, line, count], key: [order, line] }
"""


def errors_of(mapping: str, files: Mapping[str, str | bytes]) -> dict[str, str]:
    """The error file of each file that has one."""
    with Rejected() as rejected:
        for one in read(mapping, files).rejections:
            rejected.add(one)
        return _texts(rejected, mapping, files)


def _texts(rejected: Rejected, mapping: str, files: Mapping[str, str | bytes]) -> dict[str, str]:
    streams = {name: io.BytesIO(text.encode() if isinstance(text, str) else text) for name, text in files.items()}
    with error_files(rejected, ImportFiles(read_mapping(mapping.encode()), streams, Limits())) as found:
        texts: dict[str, str] = {}
        for part in found.parts():
            texts[part.file] = texts.get(part.file, "") + zlib.decompress(part.body).decode()
        assert sum(found.rows.values()) == sum(len(rows(text)) for text in texts.values())
        return texts


def rows(text: str, delimiter: str = ",") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text), delimiter=delimiter))


def test_what_is_wrong_then_the_cells_as_they_came() -> None:
    table = deals("D1,2026-03-01,5,m", 'D2,x,"5,0",=1+1', "D3,2026-03-01", "D4,2026-03-01,5,m,more,+x")
    [text] = errors_of(ANY, table).values()
    assert text.splitlines() == [
        ",".join([*COLUMNS, HEAD]),
        'deals.csv,3,owner,"looks like a formula: export values, not formulas",D2,x,"5,0",\'=1+1',
        'deals.csv,4,,"has 2 fields, the header has 4",D3,2026-03-01,,',
        'deals.csv,5,,"has 6 fields, the header has 4",D4,2026-03-01,5,m,more,\'+x',
    ]


def test_mended_rows_are_imported_under_the_same_mapping() -> None:
    table = deals("D1,2026-03-01,five,+49 69 1", "D2,2026-03-01,6,m")
    [text] = errors_of(ANY, table).values()
    assert "'+49 69 1" in text
    again = read(ANY, {"deals.errors.csv": ("\ufeff" + text.replace("five", "5")).encode()})
    assert again.rejections == []
    assert (again.draft.subject, again.draft.data.owner_id) == ("D1", "+49 69 1")  # type: ignore[attr-defined]
    twice = errors_of(ANY, {"deals.errors.csv": text})
    assert rows(twice["deals.errors.csv"])[0].keys() == rows(text)[0].keys()


def test_a_row_stands_once_with_all_its_reasons() -> None:
    table = deals("D1,2026-03-01,5,m", "D2,2026-03-01,5,m")
    with Rejected() as rejected:
        rejected.add(Rejection("deals.csv", 3, None, "second"))
        rejected.add(Rejection("deals.csv", 3, "amount", "first"))
        rejected.add(Rejection("deals.csv", None, None, "the file as a whole", whole_file=True))
        [text] = _texts(rejected, ANY, table).values()
    [row] = rows(text)
    assert [row[name] for name in (*COLUMNS, "id")] == ["deals.csv", "3", "amount", "first; second", "D2"]


def test_an_order_is_left_out_with_all_its_lines() -> None:
    files = {
        "orders.csv": "order,opened\nO1,2026-03-01\nO2,2026-03-01\n",
        "lines.csv": "order,line,count\nO1,1,5\nO1,2,many\nO2,1,1\n",
    }
    found = errors_of(LINES, files)
    told = {name: [(row["error_row"], row["error_reason"]) for row in rows(text)] for name, text in found.items()}
    assert told["orders.csv"] == [("2", "was left out with row 3 of lines.csv")]
    assert [row for row, _reason in told["lines.csv"]] == ["2", "3"]
    mended = {"orders.csv": found["orders.csv"], "lines.csv": found["lines.csv"].replace("many", "3")}
    again = read(LINES, mended)
    assert (again.rejections, len(again.draft.data.lines)) == ([], 2)  # type: ignore[attr-defined]


def test_excel_and_json_lines_become_csv() -> None:
    book = workbook([["id", "opened", "amount", "owner"], ["D1", Error("#N/A"), 5, "m"]])
    [text] = errors_of(ANY, {"deals.xlsx": book}).values()
    assert rows(text)[0]["opened"] == "#N/A"
    line = '{"id": "D1", "opened": "x", "amount": 5, "owner": "m", "more": {"a": [1]}}\n'
    [lines] = errors_of(ANY, {"deals.jsonl": line}).values()
    assert [rows(lines)[0][name] for name in ("id", "opened", "more.a.0")] == ["D1", "x", "1"]


def test_the_delimiter_of_the_file_is_kept() -> None:
    mapping = ANY.replace("    key: id\n", "    key: id\n    delimiter: tab\n")
    [text] = errors_of(mapping, {"deals.csv": "id\topened\tamount\towner\nD1\tx\t5\tm\n"}).values()
    assert rows(text, "\t")[0]["opened"] == "x"


def test_many_rows_are_kept_in_parts() -> None:
    table = deals(*(f"D{number},x,5,{'m' * 200}" for number in range(9_000)))
    with Rejected() as rejected:
        for one in read(ANY, table).rejections:
            rejected.add(one)
        streams = {name: io.BytesIO(str(text).encode()) for name, text in table.items()}
        with error_files(rejected, ImportFiles(read_mapping(ANY.encode()), streams, Limits())) as found:
            parts = list(found.parts())
            assert found.rows == {"deals.csv": 9_000}
    assert len(parts) > 1
    assert [part.number for part in parts] == list(range(len(parts)))
    text = "".join(zlib.decompress(part.body).decode() for part in parts)
    assert [int(row["error_row"]) for row in rows(text)] == list(range(2, 9_002))


@given(st.text(max_size=20))
def test_no_cell_is_run(cell: str) -> None:
    shown = harmless(cell)
    assert shown in (cell, f"'{cell}")
    is_number = cell[1:].replace(",", "").replace(".", "").isdecimal()
    assert not shown.startswith(("=", "@", "\t", "\r"))
    assert not shown.startswith(("+", "-")) or is_number
