"""The generated files are committed as they would be generated, and the check can fail."""

import json
from pathlib import Path

import pytest
from babel.numbers import list_currencies
from jsonschema import Draft202012Validator

from shared.contracts.__main__ import main, stale
from shared.contracts.currencies import CODES
from shared.contracts.topics import TOPICS
from tests.contract.contracts.published import CONTRACTS, ROOT, schema


def test_nothing_is_out_of_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"]) == 0, capsys.readouterr().out


def test_the_check_fails_until_everything_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"], tmp_path) == 1
    assert list(tmp_path.iterdir()) == []
    assert main([], tmp_path) == 0
    assert main(["--check"], tmp_path) == 0
    assert "out of date: shared/contracts/schemas/deal.json" in capsys.readouterr().out


def test_a_changed_file_and_a_schema_of_nothing_are_found_and_mended(tmp_path: Path) -> None:
    main([], tmp_path)
    page, orphan = Path("docs/reference/events.md"), Path("shared/contracts/schemas/old.json")
    for path in (page, orphan):
        (tmp_path / path).write_text("{}")
    assert stale(tmp_path) == [page, orphan]
    main([], tmp_path)
    assert stale(tmp_path) == []
    assert not (tmp_path / orphan).exists()


@pytest.mark.parametrize("path", sorted((CONTRACTS / "schemas").glob("*.json")), ids=lambda path: path.stem)
def test_every_schema_is_a_valid_schema_under_its_own_id(path: Path) -> None:
    loaded = schema(path.stem)
    Draft202012Validator.check_schema(loaded)
    assert loaded["$id"] == f"urn:quintant:schema:{path.stem}"


def test_the_asyncapi_document_refers_to_nothing_that_is_missing() -> None:
    path = ROOT / "docs" / "reference" / "asyncapi.json"
    document = json.loads(path.read_text())
    assert document["asyncapi"] == "3.1.0"
    assert document["channels"].keys() == TOPICS.keys()
    for target in references(document):
        if target.startswith("#/"):
            node = document
            for token in target[2:].split("/"):
                node = node[token]
        else:
            assert (path.parent / target).resolve().is_file()


def references(node: object) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if "$ref" in node else []
        return own + [found for value in node.values() for found in references(value)]
    return [found for item in node for found in references(item)] if isinstance(node, list) else []


def test_the_currencies_are_those_of_babel() -> None:
    assert list_currencies() - {"XXX", "XTS"} == CODES
