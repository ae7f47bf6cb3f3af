"""CSV from strangers: what was written is read, whatever the quoting and encoding; what is wrong is said at its row."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.imports.formats.records import Limits
from services.ingest.imports.formats.uploads import Upload
from services.ingest.imports.mapping import FileSpec
from services.ingest.imports.outcomes import Rejection
from services.ingest.imports.rows import Reading, Remarks, Row
from shared.contracts.entities import canonical
from tests.unit.ingest_imports.reading import DEALS, deals, read


def reading(columns: tuple[str, ...], *, encoding: str = "utf-8", delimiter: str = ",", longest: int = 1000) -> Reading:
    spec = FileSpec(
        pattern="x.csv",
        encoding=encoding,
        delimiter=delimiter,
        sheet=None,
        columns=columns,
        optional_columns=("extra",),
        key=(),
        required=True,
        events=(),
        doubts=(),
    )
    return Reading(spec, {name: place for place, name in enumerate(columns)}, Limits(line_characters=longest))


def rows_of(how: Reading, content: bytes) -> list[Row | Rejection]:
    return list(how.rows(Upload("x.csv", io.BytesIO(content)), Remarks()))


LETTERS = {
    "utf-8": "äß漢字😀\u2028\u00a0",
    "utf-16": "äß漢字😀\u2028\u00a0",
    "gb18030": "äß漢字😀",
    "cp1252": "äß€œ",
    "iso-8859-1": "äß¤\u00a0",
}


def cells(encoding: str) -> st.SearchStrategy[str]:
    """What people write: no formulas, and what the encoding can say."""
    alphabet = LETTERS[encoding] + "abcXYZ 019.:/()|'\",;\t\n"
    return st.text(alphabet, max_size=12)


@given(
    st.data(),
    st.sampled_from(sorted(LETTERS)),
    st.sampled_from([",", ";", "|", "\t"]),
    st.booleans(),
    st.sampled_from(["\r\n", "\n", "\r"]),
    st.booleans(),
)
def test_what_was_written_is_read(
    data: st.DataObject, encoding: str, delimiter: str, is_all_quoted: bool, line_end: str, has_bom: bool
) -> None:
    rows = data.draw(st.lists(st.tuples(cells(encoding), cells(encoding)), max_size=5))
    text = io.StringIO()
    if is_all_quoted:
        writer = csv.writer(text, delimiter=delimiter, quoting=csv.QUOTE_ALL, lineterminator=line_end)
    else:  # quotes only what holds its own line end
        rows = [(left.replace("\n", line_end), right.replace("\n", line_end)) for left, right in rows]
        writer = csv.writer(text, delimiter=delimiter, lineterminator=line_end)
    writer.writerows([("a", "b"), *rows])
    bom = "\ufeff" if has_bom and encoding == "utf-8" else ""
    found = rows_of(
        reading(("a", "b"), encoding=encoding, delimiter=delimiter), (bom + text.getvalue()).encode(encoding)
    )
    assert [(row.number, *row.cells) for row in found if isinstance(row, Row)] == [
        (number, left.strip(), right.strip()) for number, (left, right) in enumerate(rows, start=2)
    ]
    assert len(found) == len(rows)


@given(st.binary(max_size=300), st.sampled_from(["utf-8", "utf-16", "cp1252", "gb18030"]))
def test_any_bytes_are_rows_or_rejections(content: bytes, encoding: str) -> None:
    found = rows_of(reading(("a", "b"), encoding=encoding, longest=40), b"a,b\n" + content)
    numbers = [one.number if isinstance(one, Row) else one.row for one in found]
    told = [number for number in numbers if number is not None]
    assert told == sorted(told)


@given(st.lists(st.tuples(st.integers(0, 200), st.binary(max_size=3)), max_size=8))
def test_no_damage_to_a_file_raises(damages: list[tuple[int, bytes]]) -> None:
    content = b'id,opened,amount,owner\r\nD1,2026-03-01,5,m\r\n"D2",2026-03-02,"6",\xc3\xa4\r\n' * 3
    for place, bytes_ in damages:
        content = content[:place] + bytes_ + content[place + 1 :]
    outcomes = read(DEALS, {"deals.csv": content})
    for draft in outcomes.drafts:
        assert canonical(draft.data)
    for rejection in outcomes.rejections:
        assert rejection.reason.encode()


@pytest.mark.parametrize(
    ("row", "column", "reason"),
    [
        (b"D2,2026-03-01,5", None, "has 3 fields, the header has 4"),
        (b"D2,2026-03-01,5,m,x", None, "has 5 fields, the header has 4"),
        (b"D2,2026-03-01,\xe9,m", "amount", "holds bytes that are no text in utf-8"),
        (b"D\x002,2026-03-01,5,m", "id", "holds a NUL byte"),
        (b"D2,2026-03-01,5,a\x07b", "owner", "holds a control character"),
        (b"D2,2026-03-01,5,a\x1fb", "owner", "holds a control character"),
        (b'D2,2026-03-01,5,=HYPERLINK("http://x")', "owner", "looks like a formula: export values, not formulas"),
        (b"D2,2026-03-01,5,=1+1", "owner", "looks like a formula: export values, not formulas"),
        (b"D2,2026-03-01,5, @SUM(A1)", "owner", "looks like a formula: export values, not formulas"),
        (b"D2,2026-03-01,5,+cmd|' /C calc'!A0", "owner", "looks like a formula: export values, not formulas"),
        (b"D2,2026-03-01,5,-A1", "owner", "looks like a formula: export values, not formulas"),
        (b'D2,2026-03-01,5,"m" x', None, "expected after"),
        (b",2026-03-01,5,m", "id", "is blank, and it tells the rows apart"),
        (b"D2,,5,m", "opened", "is blank, and it says when this happened"),
        (b"D2,01.03.2026,5,m", "opened", "must be a date such as 2026-03-31"),
        (b"D2,2026-02-30,5,m", "opened", "is no day of the calendar"),
        (b"D2,1802-02-03,5,m", "opened", "must lie in the years 1900 to 2199"),
        (b'D2,2026-03-01,"1,000",m', "amount", "must be a number such as 1234.50"),
        (b"D2,2026-03-01,1e3,m", "amount", "must be a number such as 1234.50"),
        (b"D2,2026-03-01,1234567890123456,m", "amount", "amount must be a decimal such as 1234.50"),
        (b"D2,2026-03-01,5," + b"m" * 300, "owner", "owner_id"),
        (b"D2,2026-03-01,5,a\xf0\x9f\x98\x80", "owner", "owner_id must be 1 to 255 printable characters"),
    ],
)
def test_one_bad_row_is_refused_alone(row: bytes, column: str | None, reason: str) -> None:
    content = b"id,opened,amount,owner\nD1,2026-03-01,5,m\n" + row + b"\n\nD3,2026-03-01,5,m\n"
    outcomes = read(DEALS, {"deals.csv": content})
    assert [draft.subject for draft in outcomes.drafts] == ["D1", "D3"]
    assert [draft.row for draft in outcomes.drafts] == [2, 5]
    rejection = outcomes.rejection
    assert (rejection.file, rejection.row, rejection.column) == ("deals.csv", 3, column)
    assert reason in rejection.reason


def test_signs_and_dashes_are_no_formulas() -> None:
    (minus, _plus, _blank) = read(
        DEALS, deals("D1,2026-03-01,-5,-", "D2,2026-03-01,+5,+49 69 1", "D3,2026-03-01,,x-y")
    ).drafts
    assert minus.subject == "D1"


def test_columns_that_nobody_reads_are_not_looked_at() -> None:
    content = b"id,opened,amount,owner,notes\nD1,2026-03-01,5,m,=\xff\x00\n"
    outcomes = read(DEALS, {"deals.csv": content})
    assert outcomes.draft.subject == "D1"
    assert outcomes.warning("unknown-column").text == "the mapping does not know the columns 'notes'"


def test_many_unknown_columns_make_one_short_warning() -> None:
    names = ",".join(f"{number}{'x' * 100}" for number in range(200))
    wide = f"id,opened,amount,owner,{names}\nD1,2026-03-01,5,m{',' * 200}\n"
    warning = read(DEALS, {"deals.csv": wide.encode() + b"\xff"}).warning("unknown-column")
    assert warning.text.endswith(" and 190 more")
    assert len(warning.text) < 1000


def test_an_open_quotation_mark_swallows_no_more_than_it_must() -> None:
    filler = [f"F{number},2026-03-01,5,m" for number in range(8000)]
    outcomes = read(DEALS, deals("D1,2026-03-01,5,m", 'D2,2026-03-01,5,"open', *filler, "D3,2026-03-01,5,m"))
    subjects = [draft.subject for draft in outcomes.drafts]
    assert subjects[0] == "D1"
    assert subjects[-1] == "D3"
    rejection = outcomes.rejections[0]
    assert rejection.row == 3
    assert "in lines 3 to " in rejection.reason
    assert "quotation mark is not closed" in rejection.reason


def test_a_huge_line_is_refused_without_being_read_into_memory() -> None:
    huge = reading(("a", "b"), longest=100)
    found = rows_of(huge, b"a,b\n1,2\n3," + b"x" * 5000 + b"\n5,6\n")
    assert [one.cells for one in found if isinstance(one, Row)] == [["1", "2"], ["5", "6"]]
    (rejection,) = [one for one in found if isinstance(one, Rejection)]
    assert (rejection.row, "longer than 100 characters" in rejection.reason) == (3, True)
    assert len(rows_of(huge, b"a,b\n" + b"x" * 500)) == 1


def test_a_header_may_change_its_order_but_not_lose_a_column() -> None:
    swapped = read(DEALS, {"deals.csv": "owner, amount ,opened,id\nm,5,2026-03-01,D1\n"})
    assert swapped.draft.subject == "D1"
    lost = read(DEALS, {"deals.csv": "id,opened\nD1,2026-03-01\n"})
    assert [(one.row, one.column) for one in lost.rejections] == [(1, "amount"), (1, "owner")]
    assert "missing" in lost.rejections[0].reason
    twice = read(DEALS, {"deals.csv": "id,opened,amount,owner,id\nD1,2026-03-01,5,m,D2\n"})
    assert (twice.rejection.column, twice.rejection.reason) == ("id", "this column stands in the header twice")
    assert not lost.drafts
    assert not twice.drafts


def test_an_optional_column_may_be_missing() -> None:
    mapping = DEALS.replace(
        "columns: [id, opened, amount, owner]", "columns: [id, opened]\n    optional_columns: [amount, owner]"
    )
    assert read(mapping, {"deals.csv": "id,opened\nD1,2026-03-01\n"}).draft.data.id == "D1"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"\n1,2\n", "has no header in its first row"),
        ("id,opened,amount,owner\n".encode("utf-16"), "is UTF-16 text: say so with `encoding: utf-16`"),
    ],
)
def test_files_that_are_no_tables(content: bytes, reason: str) -> None:
    rejection = read(DEALS, {"deals.csv": content}).rejection
    assert (rejection.file, rejection.row, rejection.reason) == ("deals.csv", None, reason)


def test_text_that_breaks_off() -> None:
    mapping = DEALS.replace("    key: id\n", "    key: id\n    encoding: utf-16\n")
    whole = "id,opened,amount,owner\nD1,2026-03-01,5,m\n".encode("utf-16")
    assert read(mapping, {"deals.csv": whole}).draft.subject == "D1"
    assert "is no text in utf-16" in read(mapping, {"deals.csv": whole[:-1]}).rejections[-1].reason


def test_paths_and_streams_are_read_alike(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(b"a,b\n1,2\n")
    how, stream = reading(("a", "b")), io.BytesIO(path.read_bytes())
    stream.seek(3)
    uploads = [Upload("x.csv", path), Upload("x.csv", stream), Upload("x.csv", stream)]
    found = [list(how.rows(upload, Remarks())) for upload in uploads]
    assert found[0] == found[1] == found[2] == [Row(2, ["1", "2"], "1\x1f2")]
    assert not stream.closed


def test_stopping_halfway_leaves_the_stream_usable() -> None:
    stream = io.BytesIO(b"a,b\n1,2\n3,4\n")
    how = reading(("a", "b"))
    next(iter(how.rows(Upload("x.csv", stream), Remarks())))
    assert len(list(how.rows(Upload("x.csv", stream), Remarks()))) == 2
