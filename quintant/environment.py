"""Fills the virtual environment of this project from a lock, and makes `quintant` a command of it.

It runs before anything is installed, so it uses the standard library only.
"""

import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path
from typing import IO

PROJECT = Path(__file__).resolve().parents[1]
_COLLECTING = re.compile(r"(?:Collecting|Requirement already satisfied:) ([A-Za-z0-9._-]+)")


def install(lock: Path, out: IO[str]) -> int:
    """pip's exit code. What it said is shown only if it failed."""
    total = lock.read_text().count("==")
    command = [sys.executable, "-m", "pip", "install", "--require-hashes", "--progress-bar", "off", "-r", str(lock)]
    with subprocess.Popen(  # noqa: S603 - pip
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as pip:
        said = list(_shown(pip.stdout or (), total, out))
    if pip.returncode == 0:
        _say(out, f"{total} packages, each with its SHA-256 as locked")
        out.write("\n")
    else:
        out.writelines(["\n", *said])
    return pip.returncode


def _shown(lines: Iterable[str], total: int, out: IO[str]) -> Iterable[str]:
    """Pass the lines on and count the packages, in one line of a terminal."""
    count = 0
    for line in lines:
        yield line
        if found := _COLLECTING.match(line):
            count += 1
            _say(out, f"fetching {total} packages: {count} {found[1]}")
        elif line.startswith("Installing collected"):
            _say(out, f"unpacking {count} packages, half a minute on a slow disk …")


def _say(out: IO[str], text: str) -> None:
    if out.isatty():
        out.write(f"\r\x1b[2K{text}")
    elif not text.startswith("fetching"):
        out.write(f"{text}\n")
    out.flush()


def link(project: Path) -> None:
    """Linked, not built: that needs neither network nor build tools."""
    (Path(sysconfig.get_path("purelib")) / "quintant.pth").write_text(f"{project}\n")
    script = Path(sys.executable).parent / "quintant"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m quintant "$@"\n')
    script.chmod(0o755)


if __name__ == "__main__":
    status = install(Path(sys.argv[1]), sys.stdout)
    if status == 0:
        link(PROJECT)
    raise SystemExit(status)
