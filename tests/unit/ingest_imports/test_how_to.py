"""The how-to page: its example gives what it says, and it leaves no filter and no key of a mapping out."""

import re
from pathlib import Path

from services.ingest.imports.filters import FILTERS
from services.ingest.imports.mapping_file import DELIMITERS, ENCODINGS
from tests.unit.ingest_imports.reading import read

PAGE = (Path(__file__).parents[3] / "docs/how-to/import-files.md").read_text()
KEYS = [
    "name",
    "title",
    "source",
    "as_of",
    "constants",
    "maps",
    "corrections",
    "lookups",
    "details",
    "once",
    "files",
    "columns",
    "optional_columns",
    "key",
    "required",
    "encoding",
    "delimiter",
    "sheet",
    "warnings",
    "events",
    "entity",
    "part",
    "id",
    "occurred_at",
    "when",
    "fields",
    "since",
    "ended",
    "distinct",
]


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found
    return found[1]


def test_the_example() -> None:
    outcomes = read(block("yaml"), {"deals.csv": block("csv")})
    assert [draft.id.partition("@")[0] for draft in outcomes.drafts] == [
        "stage-map:/import/my-crm#default",
        "deal:D-1",
        "deal:D-2",
        "deal-won:D-2",
    ]
    assert {warning.text for warning in outcomes.warnings} == {
        'Product: "Lmap" read as "Lamp"',
        "without customer: left unsaid",
    }
    rejection = outcomes.rejection
    assert (rejection.row, rejection.column, rejection.reason) == (4, "Value", "must be a number such as 1.234,50")
    assert f"row {rejection.row}, column\n{rejection.column}: {rejection.reason}" in PAGE


def test_everything_that_can_be_written_is_explained() -> None:
    assert [name for name in FILTERS if not re.search(rf"`{name}[`:]", PAGE)] == []
    assert [key for key in KEYS if f"`{key}`" not in PAGE] == []
    assert [encoding for encoding in ENCODINGS if f"`{encoding}`" not in PAGE] == []
    assert [sign for sign in DELIMITERS if f"`{sign}`" not in PAGE.replace("\\|", "|")] == []
