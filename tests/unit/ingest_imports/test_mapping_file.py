"""Mapping files: what is wrong is said with its line and place, all of it at once, before any row is read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.imports import InvalidMappingError, load_preset, preset_names, read_mapping
from shared.kernel.errors import NotFoundError
from tests.unit.ingest_imports.reading import DEALS, HEAD


def faults(text: str | bytes) -> list[tuple[str, str]]:
    with pytest.raises(InvalidMappingError) as refused:
        read_mapping(text.encode() if isinstance(text, str) else text)
    return [(fault.where, fault.reason) for fault in refused.value.faults]


def fault(text: str | bytes) -> str:
    (only,) = faults(text)
    return " ".join(only)


def test_the_presets_are_valid() -> None:
    assert preset_names() == ["classicmodels", "maven-crm"]
    assert [load_preset(name).name for name in preset_names()] == preset_names()
    with pytest.raises(NotFoundError, match="classicmodels, maven-crm"):
        load_preset("../maven-crm")


def test_each_fault_is_told_with_its_line() -> None:
    text = DEALS.replace("amount | money:USD", "amount | money:DOLLAR").replace("owner_id: owner", "owner_id: ownr")
    assert [where for where, _reason in faults(text)] == [
        "line 13: files.deals.events[0].fields.amount",
        "line 14: files.deals.events[0].fields.owner_id",
    ]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("entity: deal", "entity: deel", "line 9: files.deals.events[0].entity must be one of lead, deal"),
        ("owner_id:", "owner:", "line 14: files.deals.events[0].fields.owner is not known here; there are title"),
        ("owner_id: owner", "owner_id: owner | date", "must give text or null, not a date"),
        ("owner_id: owner", "owner_id: [owner]", "must be a single value"),
        ("amount | money:USD", "amount | decimal", "must give money or null, not a decimal"),
        ("opened | date", "opened", "occurred_at must give a date or a time, not text"),
        ("opened | date", "opened | datum", "no filter 'datum'"),
        ("opened | date", "opened | date | clear", "clear is for fields"),
        ("id: id", "id: null", "id must give text, not null"),
        ("        id: id\n", "", "line 9: files.deals.events[0] id is missing"),
        ("        id: id\n", "        id: id\n        since: opened | date\n", "since is for reference data"),
        ("        id: id\n", "        id: id\n        part: Won!\n", "must be a name of small letters"),
        ("        id: id\n", "        id: id\n        distinct: maybe\n", "must be true or false"),
        ("    key: id\n", "", "needs a key"),
        ("key: id", "key: number", "names a column that is not declared"),
        ("key: id", "key: {id: id}", "must be a list"),
        ("columns: [id,", "columns: [id, id,", "line 6: files.deals.columns[0] is said twice"),
        ("    key: id\n", "    key: id\n    encoding: ebcdic\n", "must be one of utf-8"),
        ("    key: id\n", "    key: id\n    delimiter: x\n", "must be one of ,"),
        ("    key: id\n", "    key: id\n    key: id\n", "line 8: files.deals.key is said twice"),
        ("  deals:", "  Deals:", "must be a name of small letters"),
        ("name: crm", "name: My CRM", "must be a name of small letters"),
        ("/import/crm", "my crm", "must be a path such as /import/my-crm"),
        ("files:", "as_of: soon\nfiles:", "must be a date, or a time with an offset"),
        ("files:", "as_of: 2026-03-31T18:00:00\nfiles:", "needs an offset"),
        ("files:", "constants: {as_of: x}\nfiles:", "a name with a meaning of its own"),
        ("files:", "lookups: {x: {file: y, key: id}}\nfiles:", "must be one of the names under files: deals"),
        ("files:", "lookups: {x: {file: deals, key: id | found:x}}\nfiles:", "under `lookups`"),
        ("files:", "rows: []\nfiles:", "line 3: rows is not known here"),
        ("name: crm", "name: ''", "must not be empty"),
    ],
)
def test_a_fault_names_its_place(before: str, after: str, expected: str) -> None:
    text = DEALS.replace(before, after, 1)
    assert text != DEALS
    assert any(expected in " ".join(one) for one in faults(text)), faults(text)


def test_two_templates_of_one_entity_need_parts() -> None:
    event = DEALS[DEALS.index("      - entity") :]
    assert "two templates for deal" in fault(DEALS + event)
    twice = DEALS + event.replace("entity: deal\n", "entity: deal\n        part: closed\n")
    assert [one.part for one in read_mapping(twice.encode()).files["deals"].events] == ["deal", "deal-closed"]


def test_collections() -> None:
    def with_lines(lines: str) -> str:
        details = "details: {lines: {file: lines, key: order}}\n"
        order = f"      - {{entity: order, id: id, occurred_at: opened | date, fields: {{lines: {lines}}}}}\n"
        rows = "  lines: {name: lines.csv, columns: [order, line, count]}\n"
        return DEALS.replace("files:", details + "files:") + order + rows

    fine = "{each: lines, by: id, id: line, fields: {quantity: count | decimal}}"
    assert read_mapping(with_lines(fine).encode()).details["lines"].file == "lines"
    assert "needs both" in fault(with_lines(fine.replace("by: id, ", "")))
    assert "must be declared under details; there are lines" in fault(
        with_lines(fine.replace("each: lines", "each: x"))
    )
    assert "no column 'amount'" in fault(with_lines(fine.replace("count |", "amount |")))
    assert "quantities is not known here" in fault(with_lines(fine.replace("quantity", "quantities")))
    assert "must give null" in fault(with_lines("id"))


def test_a_choice_by_question_has_entries_without_fields() -> None:
    feedback = (
        "      - {entity: feedback, id: id, occurred_at: opened | date, fields: {answers: %s}}\n"  # said as a whole
    )
    mapping = read_mapping((DEALS + feedback % "{colour: owner, size: amount | whole}").encode())
    assert len(mapping.files["deals"].events) == 2
    assert "entries without fields" in fault(DEALS + feedback % "{id: owner, fields: {}}")
    assert "must give" in fault(DEALS + feedback % "{colour: opened | date}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"\xff\xfe", "UTF-8"),
        (b"", "empty"),
        (b"a: [", "line 1"),
        (b"a: \x07", "printable"),
        (b"a: &x 1\nb: *x\n", "line 1 is an anchor or a tag"),
        (b"b: *x\n", "line 1 is an anchor or a tag"),
        (b"a: !!python/object/apply:os.system ['true']\n", "line 1 is an anchor or a tag"),
        (b"[" * 50, "nests too deeply"),
        (b"#" * 300_000, "at most"),
        (b"- a\n", "must be an object"),
        (b"text", "must be an object"),
        (b"a: 1\n---\nb: 2\n", "line 2"),
    ],
)
def test_hostile_yaml(text: bytes, expected: str) -> None:
    with pytest.raises(InvalidMappingError) as refused:
        read_mapping(text)
    told = [refused.value.detail, *(f"{one.where} {one.reason}" for one in refused.value.faults)]
    assert expected in " ".join(told)


@given(st.binary(max_size=200) | st.text(alphabet="ab: -[]{}\n'\"|&*!#?%@`", max_size=80).map(str.encode))
def test_whatever_is_sent_is_read_or_refused(text: bytes) -> None:
    with pytest.raises(InvalidMappingError):
        read_mapping(text)


def test_scalars_stay_as_they_are_written() -> None:
    maps = "maps: {codes: {NO: Norway, 007: agent, 1.0: one, yes: ja, 2026-01-01: new year}}\n"
    mapping = read_mapping((HEAD + maps + DEALS.removeprefix(HEAD)).encode())
    assert mapping.maps["codes"] == {
        "NO": "Norway",
        "007": "agent",
        "1.0": "one",
        "yes": "ja",
        "2026-01-01": "new year",
    }
