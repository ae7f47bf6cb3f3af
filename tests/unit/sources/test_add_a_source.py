"""docs/how-to/add-a-source.md works as it stands: its folder passes every check, and each check can fail."""

import importlib
import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.ingest.sources import standard_webhooks
from tests.contract.sources.cases import Source
from tests.contract.sources.checks import CHECKS

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "add-a-source.md"
BLOCK = re.compile(
    r"^`services/ingest/sources/acorn/(?P<file>[^`]+)`\n\n```\w+\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE
)
PACKAGE = "sources_built_from_the_page"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of the page, in a package of its own."""
    found = tmp_path / PACKAGE / "acorn"
    for block in BLOCK.finditer(PAGE.read_text("utf-8")):
        path = found / block["file"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block["text"].replace("services.ingest.sources.acorn", f"{PACKAGE}.acorn"), "utf-8")
    (found.parent / "__init__.py").touch()
    return found


@pytest.fixture
def source(folder: Path) -> Iterator[Source]:
    """Can be imported until the test ends; what it imports is read from the files at the first use."""
    sys.path.insert(0, str(folder.parents[1]))
    importlib.invalidate_caches()
    yield Source(folder, f"{PACKAGE}.acorn")
    sys.path.remove(str(folder.parents[1]))
    for name in [name for name in sys.modules if name.split(".")[0] == PACKAGE]:
        del sys.modules[name]


def fault(source: Source, check: str) -> str:
    """What a check finds wrong."""
    with pytest.raises(AssertionError) as failed:
        CHECKS[check](source)
    return str(failed.value)


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


def edit_json(path: Path, change: Callable[[Any], object]) -> None:
    tree = json.loads(path.read_text("utf-8"))
    change(tree)
    path.write_text(json.dumps(tree), "utf-8")


@pytest.mark.parametrize("check", CHECKS)
def test_the_folder_of_the_page_passes(source: Source, check: str) -> None:
    CHECKS[check](source)


def test_the_page_holds_every_file_that_is_needed(folder: Path) -> None:
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert found > {"__init__.py", "adapter.py", "simulator.py", "vectors.json", "README.md"}


@pytest.mark.parametrize(
    ("check", "file"),
    [
        ("folder", "adapter.py"),
        ("readme", "README.md"),
        ("vectors", "vectors.json"),
        ("examples", "examples"),
        ("simulator", "simulator.py"),
    ],
)
def test_a_missing_file_is_named(source: Source, folder: Path, check: str, file: str) -> None:
    for path in folder.rglob("*"):
        if path.is_file() and str(path.relative_to(folder)).startswith(file):
            path.unlink()
    assert fault(source, check).startswith(f"acorn/{file}")


WRONG_CODE = [
    ("__init__.py", '"""\n', '"""\nimport json\n', "folder", "acorn/__init__.py: must be a docstring"),
    ("adapter.py", 'name = "acorn"', 'name = "oak"', "folder", "the name must be 'acorn'"),
    ("adapter.py", "from typing import Any", "import random\nfrom typing import Any", "folder", "imports random"),
    ("adapter.py", "ADAPTER = Acorn()", "", "folder", "acorn/adapter.py: cannot be loaded"),
    ("adapter.py", 'order="changed (seconds)"', 'order=""', "card", "card.order is empty"),
    ("adapter.py", "add {url}", "add {address}", "card", "placeholders that nobody fills"),
    ("adapter.py", '"Lost": "lost"', '"Lost": "gone"', "card", "not a canonical stage"),
    ("adapter.py", "answer_seconds=5,", 'kept_headers=("x-acorn-signature",),', "card", "card.kept_headers holds"),
    ("README.md", "## Not verified", "## Open", "readme", "its headings are"),
    ("README.md", "Any 2xx within five seconds.", "", "readme", "nothing stands under '## Answers and limits'"),
    ("adapter.py", "if mac_fits(account.secrets, delivery.body, signature)", "if True", "vectors", "verify says None"),
    ("adapter.py", "mac_fits(account.secrets,", "mac_fits(account.secrets[:1],", "vectors", "acorn-05"),
    ("adapter.py", "delivery.body, signature)", "delivery.body.strip(), signature)", "mutations", "a trailing newline"),
    (
        "adapter.py",
        "return Refusal.MISSING",
        "return None",
        "mutations",
        "without x-acorn-signature: it verifies with any",
    ),
    ("adapter.py", "fingerprint(dumped(notice))", "fingerprint(str(id(notice)))", "examples", "the second time"),
    ("adapter.py", "minor_units(cents,", "minor_units(None,", "examples", "deal-changed.json: event 0"),
    ("adapter.py", '("due", day)', '("due", lambda due: "20.12.")', "examples", "deal-changed.json: event 0"),
    ("adapter.py", "text(notice.get('object'))", "account.secrets", "secrecy", "a secret is shown"),
    ("adapter.py", "at=changed", "at=changed.replace(year=2020)", "examples", "event 0"),
    ("simulator.py", '"sha256").hex()', '"sha512").hex()', "simulator", "its delivery is refused as signature"),
    ("simulator.py", "deal.amount * 100", "deal.amount * 10", "simulator", "the amount does not agree"),
    ("simulator.py", '"id": deal.number', '"id": 1', "simulator", "has an id of another thing"),
    ("simulator.py", '"gone": step.now.deleted', '"gone": False', "simulator", "ended does not agree"),
    ("simulator.py", "_STEPS[deal.stage]", '"Won"', "simulator", "does not stand for"),
]


@pytest.mark.parametrize(("file", "old", "new", "check", "says"), WRONG_CODE)
def test_what_is_wrong_is_found(
    source: Source, folder: Path, file: str, old: str, new: str, check: str, says: str
) -> None:
    edit(folder / file, old, new)
    told = fault(source, check)
    assert says in told
    assert told.startswith("acorn/")


@pytest.mark.parametrize(
    ("place", "case"),
    [
        (0, "a good one"),
        (1, "with another body"),
        (2, "with a wrong secret"),
        (3, "missing-header"),
        (4, "under the second secret"),
    ],
)
def test_a_missing_vector_is_named(source: Source, folder: Path, place: int, case: str) -> None:
    edit_json(folder / "vectors.json", lambda tree: tree["vectors"].pop(place))
    assert case in fault(source, "vectors")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda tree: tree.pop("title"), "does not have the agreed shape"),
        (lambda tree: tree["request"].pop("body"), "needs one of body"),
        (lambda tree: tree["request"]["body"]["deal"].update(step="Won"), "is not genuine: signature"),
        (lambda tree: tree["reading"]["events"][0]["data"].pop("stage"), "event 0 of the account 'acorn'"),
        (lambda tree: tree["reading"]["events"].pop(), "says 1 events"),
        (lambda tree: tree["reading"].update(unknown="x"), "unknown is ''"),
        (lambda tree: tree["reading"].update(reads=[{"kind": "deals", "id": "8"}]), "asks to read []"),
    ],
)
def test_a_wrong_example_is_named(source: Source, folder: Path, change: Callable[[Any], object], says: str) -> None:
    edit_json(folder / "examples" / "deal-changed.json", change)
    told = fault(source, "examples")
    assert says in told
    assert "deal-changed.json" in told or "needs one of body" in told


SETTINGS = """
class _Settings(SourceSettings, kw_only=True, frozen=True):
    api_token: Annotated[str, Meta(title="Token")] = ""


class Acorn:"""


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('Annotated[str, Meta(title="Token")]', "str", "setting api_token has neither a title"),
        ("_Settings", "_Settings", "setting api_token looks like a credential but is no Secret"),
    ],
)
def test_a_setting_is_asked_for_and_kept_secret(source: Source, folder: Path, old: str, new: str, says: str) -> None:
    adapter = folder / "adapter.py"
    edit(adapter, "\nclass Acorn:", SETTINGS)
    edit(adapter, "settings = SourceSettings", "settings = _Settings")
    edit(adapter, "import Any", "import Annotated, Any\n\nfrom msgspec import Meta")
    edit(adapter, old, new)
    assert says in fault(source, "card")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("delivery.received_at)", "_signed_at(delivery))", "stale deliveries are accepted"),
        ('kept_headers=("webhook-id", "svix-id")', "kept_headers=()", "a replay with card.kept_headers alone"),
    ],
)
def test_a_signed_time_and_a_replay_are_checked(source: Source, folder: Path, old: str, new: str, says: str) -> None:
    timed = folder.with_name("standard_webhooks")
    shutil.copytree(Path(standard_webhooks.__file__).parent, timed, ignore=shutil.ignore_patterns("__pycache__"))
    edit(timed / "adapter.py", old, new)
    with (timed / "adapter.py").open("a", encoding="utf-8") as code:
        code.write(
            "\n\ndef _signed_at(delivery):\n    at = next(v for k, v in delivery.headers.items() if 'time' in k)\n"
        )
        code.write("    from datetime import UTC, datetime\n    return datetime.fromtimestamp(int(at), UTC)\n")
    told = fault(replace(source, folder=timed, package=f"{PACKAGE}.standard_webhooks"), "mutations")
    assert says in told
    assert told.startswith("standard_webhooks/examples/")
