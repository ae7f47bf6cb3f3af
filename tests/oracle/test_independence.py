"""The oracle shares no code with what it judges: it may import the standard library, itself and the event contracts."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

_ALLOWED = ("tests.oracle", "shared.contracts")
_MODULES = sorted(path for path in Path(__file__).parent.glob("*.py") if not path.name.startswith("test_"))


def foreign(code: str) -> Iterator[str]:
    """The modules that this code imports and may not."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{'.' * node.level}{node.module or ''}"]
        else:
            continue
        for name in names:
            own = any(name == one or name.startswith(f"{one}.") for one in _ALLOWED)
            if not own and name.partition(".")[0] not in sys.stdlib_module_names:
                yield name


@pytest.mark.parametrize("module", _MODULES, ids=lambda path: path.name)
def test_the_oracle_is_independent(module: Path) -> None:
    assert list(foreign(module.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("planted", ["import services.metrics", "from shared.sales import deal", "from .. import x"])
def test_an_import_of_the_judged_would_be_seen(planted: str) -> None:
    assert len(list(foreign(planted))) == 1
