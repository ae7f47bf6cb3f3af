"""The Dockerfile and what reaches it: pinned, unprivileged, nothing to build with, nothing that does not belong."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.generate import ROOT

DOCKERFILE = ROOT / "deploy" / "Dockerfile"

Instructions = list[tuple[str, str]]


def instructions(text: str) -> Instructions:
    """Instruction and arguments, continued lines joined, comments left out."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [
        (name.upper(), rest.strip())
        for line in joined.splitlines()
        if line.strip()
        for name, _, rest in [line.partition(" ")]
    ]


def problems(text: str) -> Iterator[str]:
    """What must hold of the image, as far as the file says it."""
    found = instructions(text)
    final = found[max(index for index, (name, _) in enumerate(found) if name == "FROM") :]
    yield from _source_problems(text, found, final)
    yield from _process_problems(found, final)


def _source_problems(text: str, found: Instructions, final: Instructions) -> Iterator[str]:
    """Where its parts come from."""
    bases = [rest for name, rest in found if name == "FROM"]
    if len(bases) < 2 or any(not re.match(r"python:3\.11\.\d+-slim-bookworm( |$)", base) for base in bases):
        yield f"bases are {bases}"
    installing = [rest for name, rest in found if name == "RUN" and _installs(rest)]
    if any("--require-hashes" not in rest or "--only-binary=:all:" not in rest for rest in installing):
        yield "something is installed that is not locked"
    if re.search(r"index-url|find-links|https?://|trusted-host", text):
        yield "an index is named"
    if any(name == "RUN" and _installs(rest) for name, rest in final):
        yield "something is installed in the final stage"
    if not any(name == "LABEL" and "org.opencontainers.image.licenses" in rest for name, rest in final):
        yield "no labels"


def _process_problems(found: Instructions, final: Instructions) -> Iterator[str]:
    """As whom and how it runs."""
    users = [rest for name, rest in final if name == "USER"]
    if not users or not re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[-1]):
        yield f"runs as {users}"
    if ("STOPSIGNAL", "SIGTERM") not in final:
        yield "another stop signal"
    if any(name == "HEALTHCHECK" for name, _ in found):
        yield "health is the business of compose: a process knows its port only there"
    if not all(rest.startswith("[") for name, rest in final if name in ("CMD", "ENTRYPOINT")):
        yield "a shell would swallow the signal"


def _installs(command: str) -> bool:
    return re.search(r"\binstall\b", command) is not None


def test_the_image_is_right() -> None:
    assert list(problems(DOCKERFILE.read_text("utf-8"))) == []


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("3.11.15-slim-bookworm AS", "3.11-slim AS", "bases are"),
        (" --require-hashes", "", "not locked"),
        ("--require-hashes", "--require-hashes --index-url http://mirror/simple", "index is named"),
        ("USER 10001:10001", "USER root", "runs as"),
        ("USER 10001:10001", "", "runs as"),
        ("STOPSIGNAL SIGTERM", "STOPSIGNAL SIGKILL", "another stop signal"),
        ('CMD ["python", "-m", "shared.runtime", "--help"]', "CMD python -m shared.runtime", "swallow"),
        ("WORKDIR /app", "RUN apt-get install gcc\nWORKDIR /app", "final stage"),
        ("WORKDIR /app", "HEALTHCHECK CMD true\nWORKDIR /app", "business of compose"),
        ("org.opencontainers.image.licenses", "licence", "no labels"),
    ],
)
def test_a_planted_mistake_is_found(before: str, after: str, said: str) -> None:
    text = DOCKERFILE.read_text("utf-8")
    assert before in text
    assert any(said in problem for problem in problems(text.replace(before, after)))


def copied() -> list[str]:
    """What the image takes from the repository."""
    copies = [rest.split() for name, rest in instructions(DOCKERFILE.read_text("utf-8")) if name == "COPY"]
    return [source for source, _ in (c for c in copies if not c[0].startswith("--from"))]


def test_the_builder_is_sent_what_is_copied_and_nothing_else() -> None:
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert {rule[1:] for rule in rules if rule.startswith("!")} == set(copied())
    assert all((ROOT / source).exists() for source in copied())


def imported(folder: Path) -> set[str]:
    """Top-level names that the modules of a folder import."""
    names: set[str] = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.partition(".")[0])
    return names


def test_what_is_taken_out_is_what_only_the_local_stack_needs() -> None:
    """Neither the services nor anything that they stand on may import it."""
    text = DOCKERFILE.read_text("utf-8")
    taken_out = re.findall(r"uninstall --yes ([a-z0-9 -]+)\n", text)[0].split()
    local = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]["local"]
    wanted = {re.split(r"[<>=]", one)[0] for one in local}
    # psutil is small and cjdk comes with jgo.
    assert set(taken_out) == (wanted - {"psutil"}) | {"cjdk"}
    modules = {one.replace("-", "_") for one in (*taken_out, "psutil")} | {"quintant"}
    assert imported(ROOT / "services") & modules == set()
    assert imported(ROOT / "shared") & modules == set()
    assert "psutil" in imported(ROOT / "quintant")
