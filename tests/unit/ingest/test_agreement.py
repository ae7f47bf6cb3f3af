"""What an object read from a source adds: nothing twice, nothing too little, and never against a later word."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from services.ingest import wire
from services.ingest.domain.agreement import Known, missing, redated
from services.ingest.domain.candidates import Candidate
from services.ingest.sources.payload import micros_since_1970
from shared.contracts.entities import ENTITIES, canonical, decode_data
from shared.kernel.journal import Assertion, Stamp, states

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
COLLECTIONS = ENTITIES["order"].collections
STATUS = st.sampled_from(["draft", "confirmed", None])
LINES = st.dictionaries(
    st.sampled_from("123"), st.fixed_dictionaries({"quantity": st.integers(1, 3).map(str), "unit": st.just("pc")})
)
WHOLE = st.fixed_dictionaries(
    {
        "status": STATUS,
        "customer_id": st.sampled_from(["a", "b"]),
        "lines": LINES,
    }
)
PARTIAL = st.fixed_dictionaries(
    {},
    optional={
        "status": STATUS,
        "customer_id": st.sampled_from(["a", "b"]),
        "lines": st.dictionaries(
            st.sampled_from("123"), st.none() | st.fixed_dictionaries({"quantity": st.integers(1, 3).map(str)})
        ),
        "ended": st.booleans(),
    },
)
MOMENTS = st.integers(0, 20).map(lambda minutes: NOON + timedelta(minutes=minutes))


def candidate(fields: dict[str, Any], at: datetime, sequence: int = 0, event_id: str = "e") -> Candidate:
    data = decode_data(ENTITIES["order"], msgspec.json.encode({"id": "O-1", **fields}))
    public, personal = canonical(data)
    return Candidate("order", "/sources/s", event_id, "O-1", at, sequence, public, personal)


def assertion(one: Candidate) -> Assertion:
    said = wire.said(one)
    stamp = Stamp(one.occurred_at, one.sequence, one.source, one.id)
    return Assertion(stamp, date(2026, 3, 2), said.fields, said.ended)


def known(*candidates: Candidate) -> Known:
    return Known(sorted(map(assertion, candidates), key=lambda one: one.stamp))


def absorbed(record: Candidate, before: list[Candidate], read_at: datetime) -> list[Candidate]:
    found = missing(wire.said(record), known(*before), COLLECTIONS, read_at)
    if found is None:
        return before
    return [*before, redated(wire.without(record, found.removed), found.at)]


@given(st.lists(st.tuples(PARTIAL, MOMENTS), max_size=5), WHOLE, MOMENTS)
def test_after_reading_we_say_exactly_what_the_source_says(
    heard: list[tuple[dict[str, Any], datetime]], whole: dict[str, Any], changed_at: datetime
) -> None:
    before = [candidate(fields, at, event_id=f"w{place}") for place, (fields, at) in enumerate(heard)]
    read_at = NOON + timedelta(minutes=30)
    record = candidate({**whole, "ended": False}, changed_at, micros_since_1970(read_at), "read-1")
    after = absorbed(record, before, read_at)
    last = states(known(*after).assertions, COLLECTIONS)[-1]
    assert last.ended is False
    assert last.fields.get("status") == whole["status"]
    assert last.fields["customer_id"] == whole["customer_id"]
    assert {key: entry["quantity"] for key, entry in last.entries("lines").items()} == {
        key: entry["quantity"] for key, entry in whole["lines"].items()
    }
    again = replace(record, id="read-2", sequence=record.sequence + 1)
    assert absorbed(again, after, read_at + timedelta(minutes=1)) == after


@given(WHOLE, PARTIAL)
def test_a_stale_reading_does_not_undo_a_later_word(whole: dict[str, Any], later: dict[str, Any]) -> None:
    read_at = NOON + timedelta(minutes=5)
    record = candidate({**whole, "ended": False}, NOON, micros_since_1970(read_at), "read-1")
    word = candidate(later, NOON + timedelta(minutes=10), event_id="w")
    last = states(known(*absorbed(record, [word], read_at)).assertions, COLLECTIONS)[-1]
    for name in ("status", "customer_id"):
        if name in later:
            assert last.fields.get(name) == later[name]
    if "ended" in later:
        assert last.ended is later["ended"]


def test_what_the_source_dates_itself_keeps_its_date() -> None:
    record = candidate({"status": "confirmed"}, NOON, event_id="read-1")
    (only,) = absorbed(record, [], NOON + timedelta(hours=3))
    assert only.occurred_at == NOON


def test_an_object_of_which_nothing_was_heard_and_that_is_gone_says_nothing() -> None:
    assert absorbed(candidate({"ended": True}, NOON), [], NOON) == []
