"""Whatever a source or a stranger sends: no adapter fails, and no forgery is taken for genuine.

`--hypothesis-profile=thorough` draws ten times as many cases.
"""

import copy
import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from services.ingest import sources, wire
from services.ingest.sources.adapter import Account, Delivery, Record
from shared.contracts.envelope import Event
from shared.kernel.errors import QuintantError
from tests.contract.sources.cases import Example, Source, sources_in

SOURCES = sources_in(Path(sources.__file__).parent, sources.__name__)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(
        ["", " ", "0", "-1", "1e400", "9" * 40, "0001-01-01", "9999-12-31T23:59:59Z", "\u0000", "XXX", "日本"]
    )
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
LATIN = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=80)


def _places(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from _places(value, (*path, key))
    if isinstance(tree, list):
        for place, value in enumerate(tree):
            yield from _places(value, (*path, place))


@st.composite
def mutated(draw: st.DrawFn, tree: Any) -> Any:
    """The tree with one to three places replaced, removed or renamed."""
    changed = {"": copy.deepcopy(tree)}
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(list(_places(changed[""]))))
        whole: tuple[Any, ...] = ("", *path)
        last = whole[-1]
        inner: Any = changed
        for key in whole[:-1]:
            inner = inner[key]
        how = draw(st.sampled_from(["replace", "replace", "replace", "remove", "rename"]))
        if how == "replace" or last == "":
            inner[last] = draw(ANYTHING)
        elif how == "remove" or isinstance(inner, list):
            del inner[last]
        else:
            inner[draw(st.text(max_size=8))] = inner.pop(last)
    return changed[""]


def _examples(source: Source) -> list[tuple[str, Example]]:
    return [(file, one) for file, one in source.examples() if _json(one) is not None]


def _json(example: Example) -> Any:
    said = example.delivery or (example.record.record if example.record else None)
    body = said.body if said else b""
    try:
        return json.loads(body)
    except ValueError:
        return None


@pytest.mark.parametrize("source", SOURCES, ids=[source.name for source in SOURCES])
def test_no_content_makes_an_adapter_fail(source: Source) -> None:
    examples = _examples(source)
    assert examples, source.at("examples", "has no JSON")

    @given(st.data())
    def no_failure(data: st.DataObject) -> None:
        file, example = data.draw(st.sampled_from(examples))
        body = json.dumps(data.draw(mutated(_json(example)))).encode()
        account = example.account_of(source, file)
        for event in _said(source, example, account, body):
            with suppress(QuintantError):
                wire.candidate_of(event)

    no_failure()


def _said(source: Source, example: Example, account: Account, body: bytes) -> list[Event]:
    try:
        if example.delivery:
            whole = example.delivery
            reading = source.adapter.adapt(Delivery(whole.headers, body, whole.received_at), account)
            return [one for one in reading.events if isinstance(one, Event)]
        assert example.record
        record = example.record.record
        return list(source.adapter.read(Record(record.kind, record.id, record.read_at, body), account))
    except QuintantError:
        return []


@pytest.mark.parametrize("source", SOURCES, ids=[source.name for source in SOURCES])
def test_no_forgery_is_taken_for_genuine(source: Source) -> None:
    requests = [(file, one) for file, one in source.examples() if one.request]
    names = sorted({name.lower() for _, one in requests if one.request for name in one.request.headers})

    @given(st.data())
    def refused(data: st.DataObject) -> None:
        file, example = data.draw(st.sampled_from(requests))
        assert example.request
        secret = data.draw(st.text(min_size=12, max_size=40))
        account = Account("fuzz", (secret,), example.account_of(source, file).settings)
        assume(secret not in (example.request.key, *example.account.secrets))
        headers = data.draw(st.fixed_dictionaries({}, optional=dict.fromkeys(names, LATIN)))
        assume(not any(secret in value for value in headers.values()))  # who knows the secret forges nothing
        genuine = example.request.delivery(example.now or 0)
        kept = data.draw(st.booleans())
        delivery = Delivery(
            {**genuine.headers, **headers} if kept else headers,
            data.draw(st.just(genuine.body) | st.binary(max_size=200)),
            data.draw(st.just(genuine.received_at) | st.just(datetime(2026, 1, 1, tzinfo=UTC))),
            url=genuine.url,
            key=data.draw(st.just(genuine.key) | LATIN.filter(lambda key: key != secret)),
        )
        assert source.adapter.verify(delivery, account) is not None

    refused()
