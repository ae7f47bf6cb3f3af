"""Excel files for the tests, written by hand: a zip archive of a few XML parts."""

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from xml.sax.saxutils import escape, quoteattr

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_EPOCH = datetime(1899, 12, 30)  # noqa: DTZ001 - a spreadsheet knows no zones
_STYLES = (
    f'<styleSheet xmlns="{_MAIN}"><cellXfs count="3"><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="22"/></cellXfs>'
    "</styleSheet>"
)


@dataclass(frozen=True)
class Error:
    """An error cell such as #N/A."""

    text: str


@dataclass(frozen=True)
class Formula:
    """A formula, with the value that was calculated, if it was."""

    text: str
    value: str | None = None


@dataclass(frozen=True)
class Raw:
    """A number as it stands in the file."""

    text: str


Value = str | bool | int | Decimal | date | datetime | Error | Formula | Raw | None
Rows = Sequence[Sequence[Value]]


@dataclass(frozen=True)
class Tab:
    """One sheet. `start` is the number of its first row."""

    rows: Rows
    hidden: bool = False
    merged: Sequence[str] = ()
    start: int = 1


def workbook(sheets: Mapping[str, Tab] | Rows, extra: Mapping[str, bytes] | None = None) -> bytes:
    """The bytes of an .xlsx file; rows alone are its only sheet."""
    tabs = sheets if isinstance(sheets, Mapping) else {"Sheet1": Tab(sheets)}
    shared: dict[str, int] = {}
    parts = {f"xl/worksheets/sheet{at}.xml": _sheet(tab, shared) for at, tab in enumerate(tabs.values(), start=1)}
    listed = "".join(
        f'<sheet name={quoteattr(name)} sheetId="{at}" state="{"hidden" if tab.hidden else "visible"}" r:id="rId{at}"/>'
        for at, (name, tab) in enumerate(tabs.items(), start=1)
    )
    kinds = {f"rId{at}": ("worksheet", f"worksheets/sheet{at}.xml") for at in range(1, len(tabs) + 1)}
    kinds |= {"rIdA": ("sharedStrings", "sharedStrings.xml"), "rIdB": ("styles", "styles.xml")}
    parts |= {
        "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types"/>',
        "_rels/.rels": _relations({"rId1": ("officeDocument", "xl/workbook.xml")}),
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>{listed}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": _relations(kinds),
        "xl/styles.xml": _STYLES,
        "xl/sharedStrings.xml": f'<sst xmlns="{_MAIN}">{"".join(map(_string, shared))}</sst>',
    }
    return archive({**{name: text.encode() for name, text in parts.items()}, **(extra or {})})


def archive(parts: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in parts.items():
            packed.writestr(name, content)
    return out.getvalue()


def _relations(kinds: Mapping[str, tuple[str, str]]) -> str:
    inside = "".join(
        f'<Relationship Id="{name}" Type="{_OFFICE}/{kind}" Target="{target}"/>'
        for name, (kind, target) in kinds.items()
    )
    return f'<Relationships xmlns="{_PACKAGE}/relationships">{inside}</Relationships>'


def _sheet(tab: Tab, shared: dict[str, int]) -> str:
    rows = "".join(
        f'<row r="{number}">{_cells(row, number, shared)}</row>' for number, row in enumerate(tab.rows, start=tab.start)
    )
    merged = "".join(f'<mergeCell ref="{one}"/>' for one in tab.merged)
    return f'<worksheet xmlns="{_MAIN}"><sheetData>{rows}</sheetData><mergeCells>{merged}</mergeCells></worksheet>'


def _cells(row: Sequence[Value], number: int, shared: dict[str, int]) -> str:
    return "".join(_cell(value, f"{letters(at)}{number}", shared) for at, value in enumerate(row))


def _cell(value: Value, place: str, shared: dict[str, int]) -> str:
    match value:
        case None:
            return ""
        case bool():
            return f'<c r="{place}" t="b"><v>{int(value)}</v></c>'
        case str():
            return f'<c r="{place}" t="s"><v>{shared.setdefault(value, len(shared))}</v></c>'
        case Error(text):
            return f'<c r="{place}" t="e"><v>{text}</v></c>'
        case Formula(text, None):
            return f'<c r="{place}"><f>{escape(text)}</f></c>'
        case Formula(text, found):
            return f'<c r="{place}"><f>{escape(text)}</f><v>{found}</v></c>'
        case Raw(text):
            return f'<c r="{place}"><v>{text}</v></c>'
        case datetime():
            return f'<c r="{place}" s="2"><v>{_serial(value)}</v></c>'
        case date():
            return f'<c r="{place}" s="1"><v>{(value - _EPOCH.date()).days}</v></c>'
        case _:
            return f'<c r="{place}"><v>{value}</v></c>'


def _serial(moment: datetime) -> Decimal:
    return Decimal((moment - _EPOCH) // timedelta(milliseconds=1)) / Decimal(86_400_000)


def _string(text: str) -> str:
    return f'<si><t xml:space="preserve">{escape(text)}</t></si>'


def letters(column: int) -> str:
    """0 is A."""
    return chr(65 + column) if column < 26 else letters(column // 26 - 1) + chr(65 + column % 26)
