"""The index of sources names every source, and links pages that are there."""

import re
from pathlib import Path

from quintant.stack.home import PROJECT

_INDEX = PROJECT / "docs" / "reference" / "sources.md"
_FOLDERS = PROJECT / "services" / "ingest" / "sources"
_ROW = re.compile(r"^\| \[[^\]]+\]\(\.\./\.\./services/ingest/sources/(\w+)/README\.md\) \|(.*)\|$", re.MULTILINE)


def _rows(text: str) -> dict[str, list[str]]:
    return {folder: [cell.strip() for cell in cells.split("|")] for folder, cells in _ROW.findall(text)}


def _missing(folders: Path, text: str) -> set[str]:
    return {found.parent.name for found in folders.glob("*/adapter.py")} ^ set(_rows(text))


def test_no_source_is_missing_from_the_index() -> None:
    assert not _missing(_FOLDERS, _INDEX.read_text())


def test_every_row_says_something_in_every_column() -> None:
    assert all(len(cells) == 5 and all(cells) for cells in _rows(_INDEX.read_text()).values())


def test_the_pages_are_there() -> None:
    assert [folder for folder in _rows(_INDEX.read_text()) if not (_FOLDERS / folder / "README.md").is_file()] == []


def test_a_source_without_a_row_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "newcomer").mkdir()
    (tmp_path / "newcomer" / "adapter.py").touch()
    assert "newcomer" in _missing(tmp_path, _INDEX.read_text())
