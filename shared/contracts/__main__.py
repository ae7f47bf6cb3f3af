"""`python -m shared.contracts` writes the generated files; with `--check` it only says which are out of date."""

import argparse
import json
import sys
from pathlib import Path

from shared.contracts.generate.asyncapi import asyncapi
from shared.contracts.generate.events_page import events_page
from shared.contracts.generate.schemas import schemas

ROOT = Path(__file__).parents[2]
_SCHEMAS = Path("shared/contracts/schemas")
_REFERENCE = Path("docs/reference")


def generated() -> dict[Path, str]:
    """The content of every generated file, by path from the root of the repository."""
    files = {_SCHEMAS / f"{name}.json": _json(schema) for name, schema in schemas().items()}
    return files | {_REFERENCE / "asyncapi.json": _json(asyncapi()), _REFERENCE / "events.md": events_page()}


def stale(root: Path) -> list[Path]:
    """Files that differ from what would be generated, and schemas that nothing generates any more."""
    files = generated()
    differing = [path for path, text in files.items() if not _holds(root / path, text)]
    orphans = [path.relative_to(root) for path in sorted((root / _SCHEMAS).glob("*.json"))]
    return differing + [path for path in orphans if path not in files]


def main(arguments: list[str], root: Path = ROOT) -> int:
    """Write, or check; 1 if a check fails."""
    parser = argparse.ArgumentParser(prog="python -m shared.contracts", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file is out of date")
    check: bool = parser.parse_args(arguments).check
    outdated = stale(root)
    for path in outdated:
        sys.stdout.write(f"{'out of date' if check else 'written'}: {path}\n")
        if not check:
            _write(root / path, generated().get(path))
    return 1 if check and outdated else 0


def _holds(path: Path, text: str) -> bool:
    return path.exists() and path.read_text() == text


def _write(path: Path, text: str | None) -> None:
    if text is None:
        path.unlink()
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
