"""Commands of services as processes: a line of JSON a step on their stdout, their log in a file."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from quintant.stack.errors import StackError
from quintant.stack.home import PROJECT, Home
from quintant.stack.processes import NAME_VARIABLE


def steps(home: Home, env: Mapping[str, str], service: str, *arguments: str) -> Iterator[dict[str, Any]]:
    """What a command of a service tells, step by step. Raises StackError with its last words and its exit code."""
    name = f"{service}-{arguments[0]}"
    log = home.fresh_log(name)
    with (
        log.open("ab") as sink,
        subprocess.Popen(  # noqa: S603 - the project's own modules
            [sys.executable, "-m", f"services.{service}", *arguments, "--json"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=sink,
            env={**env, NAME_VARIABLE: name},
            cwd=PROJECT,
        ) as process,
    ):
        try:
            for line in process.stdout or ():
                yield json.loads(line)
        except BaseException:
            # Left early, by Ctrl-C or because another one failed: it is asked to end, and goes on when called again.
            process.terminate()
            raise
    if process.returncode != 0:
        detail = _last_words(log.read_text(errors="replace").splitlines())
        code = max(1, process.returncode)  # below zero: ended by a signal
        raise StackError(detail or f"{name} failed", advice=f"Read {log}.", exit_code=code)


def _last_words(lines: list[str]) -> str | None:
    for line in reversed(lines):
        try:
            said = json.loads(line)
        except ValueError:
            continue
        if isinstance(said, dict) and said.get("event") in {"stopped", "failed"}:
            return str(said.get("detail"))
    return None
