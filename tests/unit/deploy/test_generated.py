"""env.example and the generated parts of the docs say what the code says, and what they say of defaults is true."""

import re
from pathlib import Path

import pytest

from deploy import generate
from shared.runtime.entry import load
from shared.runtime.settings import ServiceSettings, TopicSettings, variable_of

REQUIRED = {"DATABASE_URL": "postgresql://u:p@h:5432/d", "KAFKA_BOOTSTRAP_SERVERS": "h:9092"}


def test_nothing_would_change() -> None:
    assert [str(path) for path in generate.differences()] == [], "run `python -m deploy.generate`"


def test_a_difference_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stale = tmp_path / "env.example"
    stale.write_text(generate.ENV_EXAMPLE.read_text("utf-8").replace("QUINTANT_PARTITIONS=4", "QUINTANT_PARTITIONS=8"))
    monkeypatch.setattr(generate, "ENV_EXAMPLE", stale)
    assert list(generate.differences()) == [stale]


def defaults() -> dict[str, str]:
    """The lines of env.example that show a default, as if their # were taken away."""
    lines = generate.ENV_EXAMPLE.read_text("utf-8").splitlines()
    found = dict(line.removeprefix("#").split("=", 1) for line in lines if re.match(r"#[A-Z_]+=", line))
    return {name: value for name, value in found.items() if value}


@pytest.mark.parametrize("service", ["ingest", "pipeline", "metrics", "forecast"])
def test_taking_away_every_mark_changes_nothing(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = generate.settings_classes()[service]
    for variable in generate.ENV_EXAMPLE.read_text("utf-8").split():
        monkeypatch.delenv(variable.lstrip("#").partition("=")[0], raising=False)
    for name, value in REQUIRED.items():
        monkeypatch.setenv(name, value)
    plain = load(settings)
    for name, value in defaults().items():
        monkeypatch.setenv(name, value)
    assert load(settings) == plain


def test_every_variable_is_listed_once() -> None:
    listed = re.findall(r"^#([A-Z_]+)=", generate.ENV_EXAMPLE.read_text("utf-8"), re.MULTILINE)
    classes: list[type[TopicSettings]] = [TopicSettings, *generate.settings_classes().values()]
    wanted = {variable_of(one, field) for one in classes for field in one.model_fields}
    assert set(listed) == wanted
    assert len(listed) == len(wanted)


def test_no_text_is_kept_for_a_field_that_is_gone_or_speaks_for_itself() -> None:
    classes = generate.settings_classes().values()
    fields = {field for one in classes for field in one.model_fields}
    spoken = {
        field
        for one in classes
        for owner in one.__mro__
        if issubclass(owner, TopicSettings)
        for field in generate.docstrings(owner)
    }
    assert generate.MEANINGS.keys() - fields == set()
    assert generate.MEANINGS.keys() & spoken == set()


def test_a_field_without_a_meaning_is_refused() -> None:
    class Mute(ServiceSettings):
        wordless: int = 3

    with pytest.raises(LookupError, match="say under `wordless`"):
        generate.meaning(Mute, "wordless")


def test_a_page_without_its_place_is_refused() -> None:
    with pytest.raises(LookupError, match="generated: environment"):
        generate.filled("# Operations\n", {"environment": ""})


def test_log_events_in_the_docs_exist() -> None:
    page = generate.OPERATIONS.read_text("utf-8")
    table = page.partition("| event | level |")[2].partition("\n## ")[0]
    events = {
        name
        for row in table.splitlines()[2:]
        for name in re.findall(r"`(\w+)`", row.split("|")[1] if "|" in row else "")
    }
    code = "".join(
        p.read_text("utf-8") for folder in ("shared", "services") for p in (generate.ROOT / folder).rglob("*.py")
    )
    assert len(events) > 15
    assert [event for event in sorted(events) if f'"{event}"' not in code] == []


def test_links_in_the_docs_lead_somewhere() -> None:
    folder = generate.OPERATIONS.parent
    for page in (folder / "operations.md", folder / "docker.md"):
        for target in re.findall(r"\]\(([^)]+)\)", page.read_text("utf-8")):
            name, _, anchor = target.partition("#")
            linked = folder / name if name else page
            assert linked.exists(), target
            headings = re.findall(r"^#+ (.+)$", linked.read_text("utf-8"), re.MULTILINE)
            slugs = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert not anchor or anchor in slugs, target
