"""The same table as CSV, Excel and JSON lines says the same; what is wrong with a cell is said at its place."""

import csv
import io
import json
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.imports import Limits
from services.ingest.imports.formats.excel_records import number_text
from services.ingest.imports.formats.excel_survey import column_letters
from services.ingest.imports.formats.records import UnreadableError
from services.ingest.imports.formats.uploads import TextStyle, Upload, open_records
from tests.unit.ingest_imports.reading import DEALS, Outcomes, data_of, read
from tests.unit.ingest_imports.workbooks import Error, Formula, Raw, Tab, Value, archive, letters, workbook

MAPPING = DEALS.replace("name: deals.csv", 'name: "deals.*"')
HEADER = ["id", "opened", "amount", "owner"]
DAYS = st.dates(date(1950, 1, 1), date(2100, 1, 1))
AMOUNTS = st.decimals(-(10**12), 10**12, places=2)
WORDS = st.text("abcXYZ äß漢字.:/()|\"'", min_size=1, max_size=12).filter(lambda text: text.strip() == text)


def records(content: bytes, *, sheet: str | None = None, limits: Limits | None = None) -> list[tuple[int, object]]:
    """Number and record, or with what is wrong with its cells."""
    found: list[tuple[int, object]] = []
    with open_records(Upload("x", io.BytesIO(content)), TextStyle(sheet=sheet), limits or Limits()) as read_:
        for record in read_:
            troubles = dict(read_.troubles)
            found.append((read_.number, (record, troubles) if troubles else record))
    return found


def reason(content: bytes, *, sheet: str | None = None, limits: Limits | None = None) -> str:
    with pytest.raises(UnreadableError) as error:
        records(content, sheet=sheet, limits=limits)
    return str(error.value)


def as_csv(rows: Sequence[Sequence[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([HEADER, *rows])
    return text.getvalue().encode()


def as_json_lines(rows: Sequence[Sequence[object]]) -> bytes:
    lines = []
    for key, day, amount, owner in rows:
        members = json.dumps({"id": key, "opened": str(day), "owner": owner}, ensure_ascii=False)
        lines.append(f'{members[:-1]}, "amount": {amount}}}\n')
    return "".join(lines).encode()


def said(outcomes: Outcomes) -> list[tuple[str, datetime, object]]:
    assert not outcomes.rejections, outcomes.rejections
    return [(draft.id, draft.occurred_at, data_of(draft)) for draft in outcomes.drafts]


@given(st.lists(st.tuples(DAYS, AMOUNTS, WORDS), min_size=1, max_size=6))
def test_one_table_in_three_formats(rows: list[tuple[date, Decimal, str]]) -> None:
    table = [(f"D{at}", day, amount.normalize() + 0, owner) for at, (day, amount, owner) in enumerate(rows)]
    plain = [(key, day, format(amount, "f"), owner) for key, day, amount, owner in table]
    in_csv = said(read(MAPPING, {"deals.csv": as_csv(plain)}))
    cells: list[list[Value]] = [[*HEADER]]
    cells += [[key, day, Raw(text), owner] for key, day, text, owner in plain]
    assert said(read(MAPPING, {"deals.xlsx": workbook(cells)})) == in_csv
    assert said(read(MAPPING, {"deals.jsonl": as_json_lines(plain)})) == in_csv


@given(st.integers(-(10**15) + 1, 10**15 - 1), st.integers(0, 6))
def test_numbers_come_without_the_noise_of_floats(digits: int, places: int) -> None:
    exact = Decimal(digits).scaleb(-places)
    assert Decimal(number_text(float(exact))) == exact


@pytest.mark.parametrize(
    ("value", "text"),
    [(1234.5, "1234.5"), (0.1, "0.1"), (0.1 + 0.2, "0.3"), (7.0, "7"), (-0.0, "0"), (1e-7, "0.0000001")],
)
def test_numbers_as_a_spreadsheet_shows_them(value: float, text: str) -> None:
    assert number_text(value) == text


@given(st.integers(0, 16383))
def test_columns_have_letters(column: int) -> None:
    assert column_letters(column) == letters(column)


def test_every_kind_of_cell() -> None:
    rows: list[list[Value]] = [
        ["a", "b", "c"],
        [True, date(2026, 3, 31), datetime(2026, 3, 31, 9, 30)],  # noqa: DTZ001
        [None],
        [Formula("1+1", "2"), Raw("0.30000000000000004"), " x "],
        [Error("#N/A"), Formula("1+1"), Raw("1e21")],
    ]
    found = records(workbook(rows))
    assert found[:4] == [
        (1, ["a", "b", "c"]),
        (2, ["true", "2026-03-31", "2026-03-31T09:30:00"]),
        (3, []),
        (4, ["2", "0.3", " x "]),
    ]
    number, troubled = found[4]
    assert isinstance(troubled, tuple)
    texts, troubles = troubled
    assert (number, texts) == (5, ["#N/A", "", "1e+21"])
    assert "the error #N/A" in troubles[0]
    assert "never calculated" in troubles[1]
    assert "more than 15 digits" in troubles[2]


def test_a_bad_cell_is_refused_at_its_row_and_column_if_the_mapping_reads_it() -> None:
    rows: list[list[Value]] = [
        [*HEADER, "note"],
        ["D1", date(2026, 3, 1), 5, "m", Error("#REF!")],
        ["D2", date(2026, 3, 1), Error("#N/A"), "m", None],
        ["D3", date(2026, 3, 1), 5, "=1+1", None],
        ["D4", date(2026, 3, 1), 5, "a_x0007_", None],
    ]
    outcomes = read(MAPPING, {"deals.xlsx": workbook(rows)})
    assert [draft.subject for draft in outcomes.drafts] == ["D1"]
    assert [(one.row, one.column) for one in outcomes.rejections] == [(3, "amount"), (4, "owner"), (5, "owner")]
    assert ["#N/A" in outcomes.rejections[0].reason, "control" in outcomes.rejections[2].reason] == [True, True]


def test_titles_merged_over_the_header_are_passed_over() -> None:
    tab = Tab([["Report of March"], [None], ["a", "b"], [1, 2]], merged=["A2:B2"], start=2)
    assert records(workbook({"S": tab})) == [(4, ["a", "b"]), (5, ["1", "2"])]
    merged = Tab([["Report", None, "x"], [1, 2, 3]], merged=["A1:B1"])
    assert "row 1) whose cells A to B are merged" in reason(workbook({"S": merged}))


def test_which_sheet() -> None:
    book = workbook({"Cover": Tab([["x"]], hidden=True), "Deals": Tab([["a"], [1]]), "Old": Tab([["b"]])})
    assert records(book) == [(1, ["a"]), (2, ["1"])]
    assert records(book, sheet="Old") == [(1, ["b"])]
    assert records(book, sheet="Cover") == [(1, ["x"])]
    assert "has no sheet 'New'; there are 'Cover' (hidden), 'Deals', 'Old'" in reason(book, sheet="New")
    assert "no sheet that is not hidden: 'S' (hidden)" in reason(workbook({"S": Tab([["a"]], hidden=True)}))
    empty = workbook({"Empty": Tab([]), "Full": Tab([["a"]])})
    assert "nothing in its sheet 'Empty'; its other sheets are 'Full'" in reason(empty)


def test_the_mapping_or_the_request_names_the_sheet_and_others_are_mentioned() -> None:
    rows: list[list[Value]] = [list(HEADER), ["D1", date(2026, 3, 1), 5, "m"]]
    book = workbook({"Other": Tab([["x"]]), "Deals": Tab(rows)})
    named = MAPPING.replace("    key: id\n", "    key: id\n    sheet: Deals\n")
    assert read(named, {"deals.xlsx": book}).draft.subject == "D1"
    first = workbook({"Deals": Tab(rows), "Other": Tab([["x"]])})
    assert "'Other'" in read(MAPPING, {"deals.xlsx": first}).warning("other-sheets").text


def test_a_small_file_cannot_become_a_huge_one() -> None:
    far = workbook({"S": Tab([["a"], [None] * 200 + ["x"]])})
    assert "reaches to row 2, column GS" in reason(far, limits=Limits(sheet_cells=100))
    styled = b'<c r="XFD1048576" s="1"/></row>'
    assert records(_with_sheet(b'<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576">' + styled)) == [(1, ["1"])]
    two = b'<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
    assert "reaches to row 1,048,576, column XFD" in reason(_with_sheet(two))
    assert "unpacks to more than" in reason(workbook([["a"]]), limits=Limits(unpacked_bytes=500))
    bomb = b'<!DOCTYPE a [<!ENTITY b "bbbb">]><worksheet><sheetData/></worksheet>'
    assert "damaged" in reason(workbook([["a"]], {"xl/worksheets/sheet1.xml": bomb}))


def test_a_day_beyond_all_calendars_is_no_crash() -> None:
    header = b'<row r="1"><c r="A1"><v>1</v></c></row>'
    far = _with_sheet(header + b'<row r="2"><c r="A2" s="2"><v>-1e12</v></c></row>')
    assert "cannot be read as a whole" in reason(far)


def _with_sheet(rows: bytes) -> bytes:
    main = b"http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    sheet = b'<worksheet xmlns="' + main + b'"><sheetData>' + rows + b"</sheetData></worksheet>"
    return workbook([["a"]], {"xl/worksheets/sheet1.xml": sheet})


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (workbook([["a"]])[:200], "damaged"),
        (b"PK\x03\x04" + bytes(50), "damaged"),
        (archive({"readme.txt": b"x"}), "zip archive"),
        (archive({"mimetype": b"application/vnd.oasis.opendocument.spreadsheet"}), "save it as .xlsx"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "Excel 97 to 2003"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"), "protected with a password"),
        (b"<html><table><tr><td>a</td></tr></table></html>", "web page"),
        (b'[\n{"a": 1}\n]', "one JSON text"),
        (b'{\n  "a": 1\n}', "one JSON text"),
    ],
)
def test_what_is_no_table_says_what_to_do(content: bytes, what: str) -> None:
    assert what in reason(content)
    [rejection] = read(MAPPING, {"deals.csv": content}).rejections
    assert (rejection.row, rejection.whole_file) == (None, True)


@given(st.lists(st.tuples(st.integers(0, 3000), st.binary(min_size=1, max_size=3)), min_size=1, max_size=6))
def test_no_damage_to_an_excel_file_raises(damages: list[tuple[int, bytes]]) -> None:
    content = workbook([list(HEADER), ["D1", date(2026, 3, 1), 5, "m"]])
    for place, bytes_ in damages:
        at = place % len(content)
        content = content[:at] + bytes_ + content[at + len(bytes_) :]
    outcomes = read(MAPPING, {"deals.xlsx": content})
    assert len(outcomes.drafts) + len(outcomes.rejections) >= 1


def test_json_lines() -> None:
    lines = b'{"id": 7, "opened": "2026-03-01", "more": {"amount": 1e3, "who": ["m", null, true]}}\n\n'
    lines += b'{"id": null}\nno\n[1]\n'
    lines += b'{"a": 1, "a": 2}\n{"a.b": 1, "a": {"b": 2}}\n{"more": {"amount": 1e400}}\n'
    found = records(lines)
    names = ["id", "opened", "more.amount", "more.who.0", "more.who.1", "more.who.2"]
    assert found[:4] == [
        (0, names),
        (1, ["7", "2026-03-01", "1000", "m", "", "true"]),
        (2, []),
        (3, [""] * 6),
    ]
    told = [(number, text) for number, text in found[4:8] if isinstance(text, str)]
    assert [number for number, _text in told] == [4, 5, 6, 7]
    assert ["no JSON line" in told[0][1], "no JSON object" in told[1][1]] == [True, True]
    assert ["same key twice" in told[2][1], "twice" in told[3][1]] == [True, True]
    [last] = [record for number, record in found if number == 8]
    assert isinstance(last, tuple)
    assert "too large" in last[1][2]


def test_json_lines_under_a_mapping_count_lines() -> None:
    rows = (
        b'{"id": "D1", "opened": "2026-03-01", "amount": 5, "owner": "m"}\n{"id": "D2", "opened": "x", "amount": 5}\n'
    )
    outcomes = read(MAPPING, {"deals.jsonl": rows})
    assert [(draft.row, draft.subject) for draft in outcomes.drafts] == [(1, "D1")]
    assert (outcomes.rejection.row, outcomes.rejection.column) == (2, "opened")
    missing = read(MAPPING, {"deals.jsonl": b'{"id": "D1", "opened": "2026-03-01"}\n'})
    assert [(one.column, one.whole_file) for one in missing.rejections] == [("amount", True), ("owner", True)]


def test_too_many_keys_and_too_long_lines() -> None:
    limits = Limits(columns=2, line_characters=40)
    found = records(b'{"a": 1, "b": 2}\n{"c": 3}\n{"a": "' + b"x" * 50 + b'"}\n{"b": 4}\n', limits=limits)
    assert [number for number, _record in found] == [0, 1, 2, 3, 4]
    assert "beyond the first 2" in str(found[2][1])
    assert "longer than 40 characters" in str(found[3][1])


def test_a_byte_order_mark_wins_over_the_encoding_of_the_mapping() -> None:
    mapping = MAPPING.replace("    key: id\n", "    key: id\n    encoding: gb18030\n")
    rows = "id,opened,amount,owner\nD1,2026-03-01,5,张三\n"
    assert said(read(mapping, {"deals.csv": rows.encode("utf-8-sig")})) == said(
        read(mapping, {"deals.csv": rows.encode("gb18030")})
    )
