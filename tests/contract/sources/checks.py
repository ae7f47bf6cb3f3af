"""The checks that every source's folder passes; each names the folder and the file at fault.

`test_adapters.py` runs them over all folders: `pytest tests/contract/sources -k <name>`.
"""

import ast
from collections.abc import Callable, Iterator, Mapping
from string import Formatter

import msgspec

from services.ingest import wire
from services.ingest.domain.candidates import Candidate
from services.ingest.sources.adapter import Account, Adapter, Card, Reading, Refusal, SourceSettings
from services.ingest.sources.story import OPEN_STAGES
from shared.contracts.entities import event_type
from shared.contracts.envelope import Event, Refused
from shared.kernel.errors import QuintantError
from tests.contract.sources.cases import Example, SaidEvent, Source, Vector
from tests.contract.sources.mutations import check_mutations, contents
from tests.contract.sources.secrecy import check_secrecy, secret_fields
from tests.contract.sources.telling import check_simulator

STAGES = {*OPEN_STAGES, "won", "lost"}
HEADINGS = [
    "## What arrives",
    "## Connect it",
    "## How a delivery is checked",
    "## What becomes of it",
    "## Order and duplicates",
    "## Nothing is lost",
    "## Answers and limits",
    "## Not verified",
    "## Sources",
]
IMPURE = {
    *("asyncio", "httpx", "os", "pathlib", "random", "requests", "secrets", "socket", "time", "urllib.request", "uuid"),
    *("shared.kernel.clock", "shared.http.client", "services.ingest.sources.calling"),
}
_CREDENTIALS = ("authorization", "signature", "hmac", "token", "cookie", "secret", "password")


def check_folder(source: Source) -> None:
    """An `__init__.py` of one line, an adapter under the folder's name, pure, and what goes with an `api.py`."""
    body = ast.parse((source.folder / "__init__.py").read_text("utf-8")).body
    fine = len(body) == 1 and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant)
    assert fine, source.at("__init__.py", "must be a docstring of one line and nothing else")
    assert source.adapter.name == source.name, source.at(
        "adapter.py", f"the name must be {source.name!r}, as the folder"
    )
    for file, imported in _imports(source, "adapter"):
        assert imported not in IMPURE, source.at(file, f"imports {imported}: what an adapter uses is pure")
    has_api = (source.folder / "api.py").is_file()
    assert has_api == bool(source.adapter.card.kinds), source.at("adapter.py", "card.kinds are what its api.py reads")
    if has_api:
        assert callable(getattr(source.module("api"), "connect", None)), source.at("api.py", "has no connect()")


def _imports(source: Source, part: str) -> Iterator[tuple[str, str]]:
    """(file, module) of all that a module of the folder imports, through its neighbours in the folder too."""
    seen, ahead = set[str](), [part]
    while ahead:
        if (now := ahead.pop()) in seen or not (source.folder / f"{now}.py").is_file():
            continue
        seen.add(now)
        for name in _imported((source.folder / f"{now}.py").read_text("utf-8")):
            yield f"{now}.py", name
            if name.startswith(f"{source.package}."):
                ahead.append(name.removeprefix(f"{source.package}.").partition(".")[0])


def _imported(code: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def check_card(source: Source) -> None:
    """Everything said, nothing that cannot be filled in."""
    adapter = source.adapter
    card = adapter.card
    assert isinstance(card, Card), source.at("adapter.py", "card is no Card")
    for name in ("title", "authentication", "dedupe", "order", "retries", "secret_title"):
        assert getattr(card, name).strip(), source.at("adapter.py", f"card.{name} is empty")
    assert card.steps, source.at("adapter.py", "card.steps are missing: what to do in the source, in order")
    fillable = {"url", "secret", *adapter.settings.__struct_fields__}
    for step in card.steps:
        unknown = {name for _, name, _, _ in Formatter().parse(step) if name is not None} - fillable
        assert not unknown, source.at("adapter.py", f"a step of the card has placeholders that nobody fills: {unknown}")
    assert set(card.stages.values()) <= STAGES, source.at("adapter.py", "card.stages: not a canonical stage")
    for name in card.kept_headers:
        assert name == name.lower(), source.at("adapter.py", f"card.kept_headers: {name} is not lower-case")
        assert not any(word in name for word in _CREDENTIALS), source.at(
            "adapter.py", f"card.kept_headers holds {name}"
        )
    assert issubclass(adapter.settings, SourceSettings), source.at("adapter.py", "settings are no SourceSettings")
    _check_questions(source, adapter)


def _check_questions(source: Source, adapter: Adapter) -> None:
    own = set(adapter.settings.__struct_fields__) - set(SourceSettings.__struct_fields__)
    asked = msgspec.json.schema(adapter.settings)["$defs"][adapter.settings.__name__]["properties"]
    for name in own:
        said = asked[name].get("title") or asked[name].get("description")
        assert said, source.at("adapter.py", f"setting {name} has neither a title (the question) nor a description")
    secret = secret_fields(adapter.settings)
    for name in own:
        suspicious = any(word in name for word in ("secret", "password", "token", "private_key"))
        fine = not suspicious or name in secret or name.endswith(("_url", "_header", "_seconds", "_title"))
        assert fine, source.at("adapter.py", f"setting {name} looks like a credential but is no Secret")


def check_readme(source: Source) -> None:
    """The docs page in the agreed shape."""
    path = source.folder / "README.md"
    assert path.is_file(), source.at("README.md", "is missing: the docs page")
    lines = [*path.read_text("utf-8").splitlines(), ""]
    title = f"# {source.adapter.card.title}"
    assert lines[0] == title, source.at("README.md", f"must begin with {title!r}, as the card says")
    found = [line for line in lines if line.startswith("## ")]
    assert found == HEADINGS, source.at("README.md", f"its headings are {found}, not {HEADINGS}")
    sections = ("\n".join(lines) + "\n").split("\n## ")[1:]
    for heading, text in zip(HEADINGS, sections, strict=True):
        assert text.partition("\n")[2].strip(), source.at("README.md", f"nothing stands under {heading!r}")
    assert "|" in sections[HEADINGS.index("## What becomes of it")], source.at("README.md", "has no table of fields")


def check_vectors(source: Source) -> None:
    """Each gives what it says, and the cases that must be there are."""
    vectors = source.vectors()
    assert len({vector.id for vector in vectors}) == len(vectors), source.at("vectors.json", "an id comes twice")
    for vector in vectors:
        _check_vector(source, vector)
    good = [vector for vector in vectors if vector.valid]
    needed: Mapping[str, bool] = {
        "a good one": bool(good),
        "a good one with another body (flipped byte)": any(_differ(g, v) == {"body"} for g in good for v in vectors),
        "a good one with a wrong secret": any(
            _differ(g, v) == {"secrets"} and not v.valid for g in good for v in vectors
        ),
        "one refused for missing-header": any(vector.reason is Refusal.MISSING for vector in vectors),
        "one refused for timestamp, as a time is signed": all(vector.now is None for vector in good)
        or any(vector.reason is Refusal.TIMESTAMP for vector in vectors),
        "a good one under the second secret (rotation)": any(_is_rotation(source, vector) for vector in good),
    }
    for case, there in needed.items():
        assert there, source.at("vectors.json", f"lacks {case}")


def _check_vector(source: Source, vector: Vector) -> None:
    where = f"vectors.json {vector.id}"
    account = source.account(where, vector.all_secrets, vector.settings)
    refusal = source.adapter.verify(vector.delivery, account)
    assert vector.valid or vector.reason, source.at(where, "is refused without a reason")
    assert refusal == (None if vector.valid else vector.reason), source.at(where, f"verify says {refusal!r}")


def _differ(one: Vector, other: Vector) -> set[str]:
    """In what two vectors differ."""
    pairs = {
        "secrets": (one.all_secrets, other.all_secrets),
        "body": (one.bytes, other.bytes),
        "rest": tuple((v.settings, v.method, v.url, v.key, v.headers, v.now) for v in (one, other)),
    }
    return {name for name, (left, right) in pairs.items() if left != right}


def _is_rotation(source: Source, vector: Vector) -> bool:
    """Genuine, but not by its first secret."""
    first = source.account(f"vectors.json {vector.id}", vector.all_secrets[:1], vector.settings)
    return len(vector.all_secrets) > 1 and source.adapter.verify(vector.delivery, first) is not None


def check_examples(source: Source) -> None:
    """Each is genuine and says exactly what the file says, as events that the contract accepts."""
    examples = list(source.examples())
    assert examples, source.at("examples/", "has no *.json")
    contents: dict[tuple[str, str], tuple[str, bytes]] = {}
    for file, example in examples:
        account = example.account_of(source, file)
        assert sum(1 for one in (example.request, example.feed, example.record) if one) == 1, source.at(
            file, "needs one of request, feed and record"
        )
        reading = _reading(source, file, example, account)
        events = [event for event in reading.events if isinstance(event, Event)]
        _check_reading(source, file, example, reading, account)
        for candidate in (candidate_of(source, file, event, account) for event in events):
            before = contents.setdefault(candidate.identity, (file, candidate.content))
            assert before[1] == candidate.content, source.at(file, f"an event has the id of another one in {before[0]}")


def _reading(source: Source, file: str, example: Example, account: Account) -> Reading:
    try:
        if example.record:
            return Reading("", source.adapter.read(example.record.record, account))
        assert example.delivery
        if example.request:
            refusal = source.adapter.verify(example.delivery, account)
            assert refusal is None, source.at(file, f"is not genuine: {refusal}")
        first, second = (source.adapter.adapt(example.delivery, account) for _ in range(2))
    except QuintantError as error:
        raise AssertionError(source.at(file, f"{error.slug}: {error.detail} {error.faults}")) from error
    same = contents(first) == contents(second) and _ids(first) == _ids(second)
    assert same, source.at(file, "adapt says something else the second time")
    assert first.delivery, source.at(file, "the reading names no delivery")
    return first


def _ids(reading: Reading) -> list[str | None]:
    return [event.id for event in reading.events]


def candidate_of(source: Source, file: str, event: Event, account: Account) -> Candidate:
    """The event as ingest takes it."""
    assert event.source == account.source, source.at(file, f"says an event as {event.source}, not {account.source}")
    try:
        return wire.candidate_of(event)
    except QuintantError as error:
        raise AssertionError(source.at(file, f"{event.id}: {error.detail} {error.faults}\n{event.data!r}")) from error


def _check_reading(source: Source, file: str, example: Example, reading: Reading, account: Account) -> None:
    errors = [one.error for one in reading.events if isinstance(one, Refused)]
    refused = [error.faults[0].where if error.faults else error.slug for error in errors]
    told = [f"{error.detail} {error.faults}" for error in errors]
    assert refused == example.reading.refused, source.at(file, f"refuses {told}")
    said = [_shown(event) for event in reading.events if isinstance(event, Event)]
    expected = [_expected(event) for event in example.reading.events]
    for place, (one, other) in enumerate(zip(said, expected, strict=False)):
        shown = {name: value for name, value in one.items() if name in other}
        assert shown == other, source.at(
            file, f"event {place} of the account {account.name!r} is\n{shown}\nnot\n{other}"
        )
    assert len(said) == len(expected), source.at(file, f"says {len(said)} events: {said}")
    reads = sorted({(read.kind, read.id) for read in reading.reads})
    wanted = sorted({(read.kind, read.id) for read in example.reading.reads})
    assert reads == wanted, source.at(file, f"asks to read {reads}")
    assert reading.unknown == example.reading.unknown, source.at(file, f"unknown is {reading.unknown!r}")


def _shown(event: Event) -> dict[str, object]:
    try:
        candidate = wire.candidate_of(event)
    except QuintantError as error:
        return {"event": event.id, "is refused for": f"{error.detail} {error.faults} {event.data!r}"}
    return {
        "entity": candidate.entity,
        "subject": candidate.subject,
        "time": candidate.occurred_at,
        "sequence": candidate.sequence,
        "id": candidate.id,
        "cause": candidate.cause,
        "public": msgspec.json.decode(candidate.public),
        "personal": msgspec.json.decode(candidate.personal or b"{}"),
    }


def _expected(said: SaidEvent) -> dict[str, object]:
    ended = {} if said.ended is msgspec.UNSET else {"ended": said.ended}
    data = msgspec.json.encode({"id": said.subject, **ended, **said.data})
    event = Event(event_type(said.entity), "/", said.id or "-", said.subject, said.time, said.sequence, data)
    shown = _shown(event)
    left_open = [name for name in ("id", "cause") if not getattr(said, name)]
    return {name: value for name, value in shown.items() if name not in left_open} | (
        {"cause": said.cause} if said.cause else {}
    )


CHECKS: Mapping[str, Callable[[Source], None]] = {
    "folder": check_folder,
    "card": check_card,
    "readme": check_readme,
    "vectors": check_vectors,
    "examples": check_examples,
    "mutations": check_mutations,
    "secrecy": check_secrecy,
    "simulator": check_simulator,
}
