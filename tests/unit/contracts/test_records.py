"""Kafka records: what is written is read again, and poison of every kind is refused with its reason."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.generate.asyncapi import EPOCH_HEADERS, EVENT_HEADERS, FACT_HEADERS
from shared.contracts.records import EpochRecord, Fact, ProgressRecord, StreamRecord, UndecodableError, decode_record
from shared.contracts.values import FIRST_YEAR, LAST_YEAR
from shared.kernel.ids import is_id

NUMBERS = st.integers(1, 2**63 - 1)
IDS = st.text(st.characters(max_codepoint=0xFFEF, exclude_categories=["Cc", "Cs"]), min_size=1, max_size=255).filter(
    is_id
)
INSTANTS = st.datetimes(
    datetime(FIRST_YEAR, 1, 2), datetime(LAST_YEAR, 12, 30), timezones=st.just(UTC)  # noqa: DTZ001 - zone comes from the strategy
)  # fmt: skip
ENTITIES_WITH_FREE_IDS = st.sampled_from(["deal", "order", "customer", "external-series"])
Poison = Callable[[bytes, bytes, dict[str, bytes]], tuple[bytes | None, bytes | None, dict[str, bytes]]]

RECORD = StreamRecord(
    entity="deal",
    source="/crm",
    id="e1",
    subject="D-1",
    time=datetime(2026, 3, 31, 1, tzinfo=UTC),
    sequence=0,
    data=b'{"id":"D-1","stage":"won"}',
    epoch=1,
    number=42,
    known_on=date(2026, 3, 31),
    accepted_at=datetime(2026, 3, 31, 1, 2, 3, 4, tzinfo=UTC),
    recorded_on=date(2026, 3, 31),
)


@st.composite
def stream_records(draw: st.DrawFn) -> StreamRecord:
    subject = draw(IDS)
    return StreamRecord(
        entity=draw(ENTITIES_WITH_FREE_IDS),
        source=draw(IDS),
        id=draw(IDS),
        subject=subject,
        time=draw(INSTANTS),
        sequence=draw(st.integers(0, 2**63 - 1)),
        data=json.dumps({"id": subject, "ended": draw(st.booleans())}).encode(),
        epoch=draw(NUMBERS),
        number=draw(NUMBERS),
        revision=draw(st.integers(0, 100)),
        known_on=draw(st.dates()),
        accepted_at=draw(INSTANTS),
        recorded_on=draw(st.dates()),
        reconstructed=draw(st.booleans()),
        cause=draw(st.none() | IDS),
        traceparent=draw(st.none() | st.just("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")),
    )


@given(stream_records())
def test_an_event_is_read_as_it_was_written(record: StreamRecord) -> None:
    assert StreamRecord.decode(*record.encode()) == record
    assert decode_record(*record.encode()) == record


def test_the_record_on_the_wire() -> None:
    key, value, headers = RECORD.encode()
    assert (key, value) == (b"deal/D-1", RECORD.data)
    assert headers == [
        ("ce_specversion", b"1.0"),
        ("ce_type", b"io.quintant.deal.changed.v1"),
        ("ce_source", b"/crm"),
        ("ce_id", b"e1"),
        ("ce_time", b"2026-03-31T01:00:00Z"),
        ("ce_subject", b"D-1"),
        ("ce_sequence", b"0"),
        ("q_revision", b"0"),
        ("q_knownon", b"2026-03-31"),
        ("q_accepted", b"2026-03-31T01:02:03.000004Z"),
        ("q_recorded", b"2026-03-31"),
        ("q_contract", b"1"),
        ("q_epoch", b"1"),
        ("q_number", b"42"),
    ]


def without(name: str) -> Poison:
    return lambda key, value, headers: (key, value, {n: v for n, v in headers.items() if n != name})


def saying(name: str, text: bytes) -> Poison:
    return lambda key, value, headers: (key, value, headers | {name: text})


def holding(value: bytes | None) -> Poison:
    return lambda key, _, headers: (key, value, headers)


def keyed(key: bytes | None) -> Poison:
    return lambda _, value, headers: (key, value, headers)


@pytest.mark.parametrize(
    ("poison", "reason"),
    [
        *[
            (without(name), f"The header {name} is missing.")
            for name, _ in RECORD.encode()[2]
            if name not in {"ce_specversion", "q_contract"}
        ],
        (without("ce_specversion"), "ce_specversion is not 1.0"),
        (saying("ce_specversion", b"0.3"), "ce_specversion is not 1.0"),
        (saying("ce_type", b"io.quintant.deal.changed.v2"), "one of the entities"),
        (saying("ce_type", b"\xff"), "not text in UTF-8"),
        (saying("ce_time", b"2026-03-31T01:00:00"), "ce_time cannot be read"),
        (saying("ce_sequence", b"-1"), "ce_sequence cannot be read"),
        (saying("q_knownon", b"today"), "q_knownon cannot be read"),
        (saying("q_accepted", b""), "q_accepted cannot be read"),
        (saying("q_number", b"0"), "q_number cannot be read"),
        (saying("q_number", b"+1"), "q_number cannot be read"),
        (saying("q_number", b"9223372036854775808"), "q_number cannot be read"),
        (saying("q_epoch", b"one"), "q_epoch cannot be read"),
        (saying("ce_subject", b"D-2"), "not ce_subject"),
        (keyed(None), "key"),
        (keyed(b"order/D-1"), "key"),
        (keyed(b"\xff"), "key"),
        (holding(None), "not JSON"),
        (holding(b""), "not JSON"),
        (holding(b"\x00\x01avro"), "not JSON"),
        (holding(b'{"id":"D-1"'), "not JSON"),
        (holding(b'{"id":"\xff"}'), "not JSON"),
        (holding(b"[]"), "must be an object"),
        (holding(b'{"id":"D-1","colour":"red"}'), "/colour: unknown field"),
        (holding(b'{"id":"D-1","amount":{"amount":"NaN","currency":"EUR"}}'), "/amount/amount: must be a decimal"),
        (holding(b'{"id":"D-1","amount":{"amount":1.5,"currency":"EUR"}}'), "/amount/amount: must be a string"),
        (holding(b'{"id":"D-1","amount":{"amount":"1","currency":"ABC"}}'), "/amount/currency: unknown currency"),
        (holding(b'{"id":"D-1","created_on":"0001-01-01"}'), "/created_on: must lie in the years"),
        (holding(b'{"id":"D-1","title":' + b"[" * 10_000 + b"]" * 10_000 + b"}"), "nests deeper"),
    ],
)
def test_poison_is_refused_with_its_reason(poison: Poison, reason: str) -> None:
    key, value, headers = RECORD.encode()
    bad_key, bad_value, bad_headers = poison(key, value, dict(headers))
    with pytest.raises(UndecodableError) as refused:
        decode_record(bad_key, bad_value, list(bad_headers.items()))
    assert reason in refused.value.detail


def test_a_header_that_holds_nothing_is_refused() -> None:
    key, value, headers = RECORD.encode()
    with pytest.raises(UndecodableError):
        StreamRecord.decode(key, value, [*headers, ("traceparent", None)])  # type: ignore[list-item]


@given(st.binary(max_size=200), st.lists(st.tuples(st.text(max_size=10), st.binary(max_size=20))))
def test_garbage_never_raises_anything_else(value: bytes, garbage: list[tuple[str, bytes]]) -> None:
    key, _, headers = RECORD.encode()
    for said in (garbage, [*headers, *garbage]):
        try:
            decode_record(key, value, said)
        except UndecodableError:
            continue


@given(NUMBERS, st.integers(0, 2**63 - 1))
def test_an_epoch_is_read_as_it_was_written(epoch: int, last_valid: int) -> None:
    record = EpochRecord(epoch=epoch, last_valid=last_valid)
    assert decode_record(*record.encode()) == record
    assert dict(record.encode()[2])["q_number"] == str(last_valid).encode()


@pytest.mark.parametrize(
    "value", [None, b"", b"{}", b'{"epoch":0,"last_valid":1}', b'{"epoch":2,"last_valid":-1}', b"[1]"]
)
def test_a_broken_epoch_is_refused(value: bytes | None) -> None:
    key, _, headers = EpochRecord(epoch=2, last_valid=1).encode()
    with pytest.raises(UndecodableError):
        EpochRecord.decode(key, value, headers)


def test_an_event_is_no_epoch_and_an_epoch_no_event() -> None:
    with pytest.raises(UndecodableError):
        EpochRecord.decode(*RECORD.encode())
    with pytest.raises(UndecodableError):
        StreamRecord.decode(*EpochRecord(epoch=2, last_valid=1).encode())


@given(NUMBERS, NUMBERS, INSTANTS, st.dictionaries(st.integers(0, 100), st.integers(0, 2**63 - 1)))
def test_progress_is_read_as_it_was_written(
    generation: int, epoch: int, through: datetime, heads: dict[int, int]
) -> None:
    record = ProgressRecord(generation=generation, epoch=epoch, through=through, heads=heads)
    assert ProgressRecord.decode(*record.encode()) == record


def test_progress_is_written_in_utc() -> None:
    shanghai = datetime(2026, 3, 31, 9, tzinfo=timezone(timedelta(hours=8)))
    _, value = ProgressRecord(generation=1, epoch=1, through=shanghai, heads={1: 5, 0: 3}).encode()
    assert value == b'{"generation":1,"epoch":1,"through":"2026-03-31T01:00:00Z","heads":{"0":3,"1":5}}'


@pytest.mark.parametrize(
    ("key", "value"),
    [(b"x", b"{}"), (b"progress", None), (b"progress", b"\xff"), (b"progress", b'{"generation":1}')],
)
def test_broken_progress_is_refused(key: bytes, value: bytes | None) -> None:
    with pytest.raises(UndecodableError):
        ProgressRecord.decode(key, value)


FACT = Fact(
    type="io.quintant.deal.stage-changed.v1",
    source="/quintant/pipeline",
    id="f1",
    subject="D-1",
    time=datetime(2026, 3, 31, 1, tzinfo=UTC),
    data=b'{"stage":"won"}',
)


def headers_of(fact: Fact) -> list[tuple[str, bytes]]:
    return [(name, said.encode()) for name, said in fact.headers.items()]


def test_a_fact_is_read_as_it_was_written() -> None:
    assert Fact.decode(b"D-1", FACT.data, headers_of(FACT)) == FACT


@pytest.mark.parametrize("key", [b"D-2", None])
def test_a_fact_under_another_key_is_refused(key: bytes | None) -> None:
    with pytest.raises(UndecodableError):
        Fact.decode(key, FACT.data, headers_of(FACT))


def test_every_header_is_documented() -> None:
    full = stream_record_with_everything()
    assert [name for name, _ in full.encode()[2]] == sorted(EVENT_HEADERS, key=[n for n, _ in full.encode()[2]].index)
    assert {name for name, _ in EpochRecord(epoch=2, last_valid=1).encode()[2]} == EPOCH_HEADERS.keys()
    assert FACT.headers.keys() | {"traceparent"} == FACT_HEADERS.keys()


def stream_record_with_everything() -> StreamRecord:
    return StreamRecord(
        **{name: getattr(RECORD, name) for name in RECORD.__slots__}
        | {"reconstructed": True, "cause": "e0", "traceparent": "t"}
    )
