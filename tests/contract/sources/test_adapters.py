"""Every folder of services/ingest/sources keeps the contract: `pytest tests/contract/sources -k <name>`."""

from pathlib import Path

import pytest

from services.ingest import sources
from services.ingest.sources import ADAPTERS
from tests.contract.sources.cases import Source, sources_in
from tests.contract.sources.checks import CHECKS

TESTS = Path(__file__).parents[2]
SOURCES = sources_in(Path(sources.__file__).parent, sources.__name__)
ALL = [pytest.param(source, check, id=f"{source.name}-{check}") for source in SOURCES for check in CHECKS]


@pytest.mark.parametrize(("source", "check"), ALL)
def test_a_source_keeps_the_contract(source: Source, check: str) -> None:
    CHECKS[check](source)


@pytest.mark.parametrize("source", SOURCES, ids=[source.name for source in SOURCES])
def test_a_source_is_registered_and_tested(source: Source) -> None:
    assert source.name in ADAPTERS, source.at("adapter.py", "is missing")
    unit = TESTS / "unit" / "sources" / f"test_{source.folder.name}.py"
    assert unit.is_file(), f"{unit.relative_to(TESTS.parent)} is missing"
    if (source.folder / "api.py").is_file():
        for file in ("fake.py", "test_api.py"):
            path = TESTS / "integration" / "sources" / source.folder.name / file
            assert path.is_file(), f"{path.relative_to(TESTS.parent)} is missing"


def test_nothing_is_registered_that_has_no_folder() -> None:
    assert set(ADAPTERS) <= {source.name for source in SOURCES}
