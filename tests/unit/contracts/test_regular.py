"""The fast way of reading JSON takes nothing that the rule refuses, and reads the same where it takes it."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.entities import ENTITIES, _checked, canonical, canonical_data, decode_data
from shared.contracts.envelope import BATCH, STRUCTURED, Event, Refused, _event, parse_events
from shared.contracts.shape import Shape
from shared.contracts.strict_json import Number, parse, regular_object, regular_objects
from shared.kernel.errors import QuintantError

EXAMPLES = sorted((Path(__file__).parents[3] / "shared/contracts/examples").rglob("*.json"))
BLANK = st.sampled_from(["", " ", "\n", "\t ", "\r\n"])
TEXT = st.text(st.sampled_from('ab":\\ {}[],\t\u4f60é'), max_size=6) | st.text(max_size=4)
NUMBER = st.sampled_from(["0", "-0", "1", "1.0", "1e5", "1E400", "01", "1.", "-", "+1", "NaN", "9" * 30, "1.50"])
ESCAPED = st.sampled_from([r'"\u0000"', r'"\ud800"', r'"\ud83d\ude00"', r'"\u0061"', r'"\""', r'"\\u0000"', '"\x01"'])


@st.composite
def written(draw: st.DrawFn, depth: int = 3) -> str:
    """JSON as somebody may write it: with blanks, keys that come twice, and now and then a mistake."""

    def key() -> str:
        name = draw(st.sampled_from(['"a"', '"b"', '":"', r'"\u0061"', '"id"', '"x:y"']))
        return name + draw(BLANK) + ":" + draw(BLANK)

    kind = draw(st.integers(0, 7 if depth else 4))
    if kind == 0:
        return str(draw(NUMBER))
    if kind == 1:
        return str(draw(ESCAPED))
    if kind <= 3:
        return json.dumps(draw(TEXT), ensure_ascii=draw(st.booleans()))
    if kind == 4:
        return str(draw(st.sampled_from(["true", "false", "null", "nul", ""])))
    items = [draw(written(depth=depth - 1)) for _ in range(draw(st.integers(0, 3)))]
    joint = draw(BLANK) + draw(st.sampled_from([",", ",", ",", ",", ",,"])) + draw(BLANK)
    if kind == 5:
        return "[" + joint.join(items) + "]"
    return "{" + draw(BLANK) + joint.join(key() + item for item in items) + "}"


def in_figures(value: Any) -> Any:
    """Numbers as the fast reader has them."""
    if isinstance(value, Number):
        return msgspec.json.decode(value.encode())
    if isinstance(value, dict):
        return {key: in_figures(item) for key, item in value.items()}
    return [in_figures(item) for item in value] if isinstance(value, list) else value


@given(st.lists(written(), max_size=3), st.booleans())
def test_what_is_regular_is_what_the_rule_reads(items: list[str], colon: bool) -> None:
    text = "{" + ",".join(f'"k{place}"{" " * colon}:{item}' for place, item in enumerate(items)) + "}"
    for body in (text.encode(errors="surrogatepass"), text.encode("latin-1", "replace")):
        members = regular_object(body)
        if members is not None:
            assert members == in_figures(parse(body))


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0:"), max_size=5),
                       st.integers(-9, 9) | st.booleans() | st.none(), max_size=6))  # fmt: skip
def test_what_is_usual_is_regular(value: dict[str, Any]) -> None:
    assert regular_object(json.dumps(value, ensure_ascii=False).encode()) == value


@pytest.mark.parametrize(
    "body",
    [b'{"a":1,"a":1}', b'{"a" :1,"a":2}', b'{"a":{"b":1,"\\u0062":2}}', b'[{"a":1}]', b"1", b"", b'{"a":NaN}',
     b'{"a":"\\u0000"}', b'{"a":"\xff"}', b"{" + b'"a":[' * 33 + b"]" * 33 + b"}", b'{"a":["x",{"b":1,"b":2}]}'],
)  # fmt: skip
def test_what_is_doubtful_is_left_to_the_rule(body: bytes) -> None:
    assert regular_object(body) is None


CHANGES = (
    '"10.5"', "10.5", "1e1", "5", "-0", "true", "null", '""', '"a@b.c"', '"2026-06-30"', '"1800-01-01"', '"EUR"',
    '"2026-06-30T10:00:00Z"', "{}", "[]", '{"amount":"1","currency":"EUR"}', '{"amount":1.5,"currency":"USD"}', '"eur"',
)  # fmt: skip


@given(st.data())
@pytest.mark.parametrize("slug", ENTITIES)
def test_data_are_read_or_refused_as_by_the_rule(slug: str, data: st.DataObject) -> None:
    entity = ENTITIES[slug]
    names = data.draw(st.lists(st.sampled_from([*entity.shape.fields, "stranger"]), max_size=4))
    members = [f'"{name}":{data.draw(st.sampled_from(CHANGES))}' for name in names]
    body = ("{" + ",".join(['"id":"X-1"', *members]) + "}").encode()
    assert told(lambda: decode_data(entity, body)) == told(lambda: _checked(entity, body, parse(body)))
    by_rule = told(lambda: canonical(_checked(entity, body, parse(body))))
    assert told(lambda: canonical_data(entity, body)) == by_rule


LEAVES = [*CHANGES, '"D-1"', '"1.500"', '"-0.0"', "1.0", '"2026-06-30T10:00:00+08:00"', "7", '"0.10"', '"D "']
KEYS = st.sampled_from(['"1"', '"EUR"', '"a@b.c"', '"2026-06-30"', '" "', '"x/y"'])


def likely(shape: Shape) -> st.SearchStrategy[str]:
    """JSON of a value that may well be right, as deep as the contract has it."""
    if shape.is_struct:
        members = {name: likely(one) for name, one in shape.fields.items()}
        said = st.fixed_dictionaries({name: members.pop(name) for name in shape.required}, optional=members)
        return said.map(lambda found: "{" + ",".join(f'"{name}":{one}' for name, one in found.items()) + "}")
    if shape.entry is not None:
        entries = st.dictionaries(KEYS, likely(shape.entry), max_size=2)
        return entries.map(lambda found: "{" + ",".join(f"{key}:{one}" for key, one in found.items()) + "}")
    return st.sampled_from([one for one in LEAVES if fits(shape, one)] + LEAVES[:2])


def fits(shape: Shape, text: str) -> bool:
    try:
        msgspec.json.decode(text.encode(), type=shape.type)
    except msgspec.ValidationError:
        return False
    return True


@given(st.data())
@pytest.mark.parametrize("slug", ENTITIES)
def test_canonical_data_are_those_of_the_rule_however_deep(slug: str, data: st.DataObject) -> None:
    entity = ENTITIES[slug]
    names = data.draw(st.lists(st.sampled_from(sorted(entity.shape.fields)), max_size=3, unique=True))
    said = {name: data.draw(likely(entity.shape.fields[name])) for name in names}
    body = ("{" + ",".join(f'"{name}":{value}' for name, value in ({"id": '"X-1"'} | said).items()) + "}").encode()
    members = regular_object(body)
    by_rule = told(lambda: canonical(_checked(entity, body, parse(body))))
    assert told(lambda: canonical_data(entity, body, members)) == by_rule
    parsed: Any = parse(body)
    assert told(lambda: canonical_data(entity, body, parsed)) == by_rule
    assert members == regular_object(body)


def told(read: Any) -> Any:
    try:
        return read()
    except QuintantError as error:
        return type(error), error.detail, tuple(error.faults)


ATTRIBUTES = ("specversion", "type", "source", "id", "time", "subject", "sequence", "cause", "datacontenttype", "data")
VALUES = (
    '"1.0"', "1.0", '"io.quintant.deal.changed.v1"', '"/crm"', '"e1"', '"2026-03-31T09:00:00+08:00"', '"D-1"', "5",
    '"application/json"', '{"id":"D-1"}', '{"id":5}', '{"id":"5"}', "null", "{}", '" "', '"5"',
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(ATTRIBUTES), st.sampled_from(VALUES), max_size=3))
def test_an_event_is_read_or_refused_as_by_the_rule(changes: dict[str, str]) -> None:
    usual = {"specversion": '"1.0"', "type": '"io.quintant.deal.changed.v1"', "source": '"/crm"', "id": '"e1"',
             "time": '"2026-03-31T09:00:00+08:00"', "data": '{"id":"D-1"}'}  # fmt: skip
    body = "{" + ",".join(f'"{name}":{value}' for name, value in (usual | changes).items()) + "}"
    (found,) = parse_events({"content-type": STRUCTURED}, body.encode())
    said: Any = parse(body.encode())
    data = msgspec.json.decode(body.encode(), type=dict[str, msgspec.Raw])["data"]
    assert summary(found) == summary(_event(said, said["data"], bytes(data), "/{}"))


@given(st.lists(st.dictionaries(st.sampled_from(ATTRIBUTES), st.sampled_from(VALUES), max_size=2), max_size=4), BLANK)
def test_a_batch_is_read_as_its_events_one_by_one(changes: list[dict[str, str]], blank: str) -> None:
    usual = {"specversion": '"1.0"', "type": '"io.quintant.deal.changed.v1"', "source": '"/crm"', "id": '"e1"',
             "time": '"2026-03-31T09:00:00+08:00"', "data": '{"id":"D-1"}'}  # fmt: skip
    events = [
        "{" + f",{blank}".join(f'"{name}":{blank}{value}' for name, value in (usual | one).items()) + "}"
        for one in changes
    ]
    together = parse_events({"content-type": BATCH}, f"[{','.join(events)}]".encode())
    alone = [found for one in events for found in parse_events({"content-type": STRUCTURED}, one.encode())]
    assert list(map(summary, together)) == list(map(summary, alone))


@pytest.mark.parametrize(
    "body", [b'[{"id":"1"},{"id":"1","id":"2"}]', b'[{"id":"\\u0000"}]', b'[{"id":NaN}]', b"[1]", b'{"id":"1"}', b"[{]"]
)
def test_an_array_in_which_anything_is_doubtful_is_read_one_by_one(body: bytes) -> None:
    assert regular_objects(body) is None


def summary(found: Event | Refused) -> Any:
    if isinstance(found, Event):
        return msgspec.structs.replace(found, members=None)
    return found.source, found.id, type(found.error), found.error.detail, tuple(found.error.faults)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_is_regular(path: Path) -> None:
    (found,) = parse_events({"content-type": STRUCTURED}, path.read_bytes())
    assert isinstance(found, Event)
    assert found.members is not None
    assert regular_object(found.data) is not None
