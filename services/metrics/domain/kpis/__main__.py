"""`python -m services.metrics.domain.kpis` writes docs/reference/kpis.md; with `--check` it says if that is stale."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from services.metrics.domain.kpis.page import page

ROOT = Path(__file__).parents[4]
PAGE = Path("docs/reference/kpis.md")


def main(arguments: Sequence[str], root: Path = ROOT) -> int:
    """Write, or check; 1 if a check fails."""
    parser = argparse.ArgumentParser(prog="python -m services.metrics.domain.kpis", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the page is out of date")
    check: bool = parser.parse_args(arguments).check
    path, text = root / PAGE, page()
    if path.exists() and path.read_text("utf-8") == text:
        return 0
    sys.stdout.write(f"{'out of date' if check else 'written'}: {PAGE}\n")
    if check:
        return 1
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
