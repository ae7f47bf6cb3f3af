"""Kept answers: whatever is seen and kept, what is given again was read at the positions seen last."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from shared.http.freshness import Freshness
from shared.http.kept import VOUCHED, KeptAnswers, Sighting, target_of

_START = datetime(2026, 1, 1, tzinfo=UTC)
_TARGETS = ("/v1/a", "/v1/b", "/v1/c")


def asking(path: str, **headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": raw})


def sighting(number: int, began: float = 0.0, *, minutes: int = 0, build: str = "books") -> Sighting:
    freshness = Freshness(_START + timedelta(hours=number), _START + timedelta(minutes=minutes), minutes)
    return Sighting((build,), {0: number, 1: 5}, freshness, began)


def body_of(found: Any) -> Any:
    return None if found is None else msgspec.json.decode(found.body)


_SIGHTINGS = st.builds(
    sighting, st.integers(1, 4), st.integers(0, 9).map(float), minutes=st.integers(0, 2),
    build=st.sampled_from(["books", "books_2"]),
)  # fmt: skip


@given(st.lists(st.tuples(_SIGHTINGS, st.sampled_from(_TARGETS), st.booleans()), max_size=30))
def test_only_what_was_read_at_the_positions_seen_last_is_told(reads: list[tuple[Sighting, str, bool]]) -> None:
    kept, last = KeptAnswers(), None
    for seen, path, answers in reads:
        kept.saw(seen)
        if last is None or not (seen.is_before(last) or seen.began < last.began):
            last = seen
        if answers:
            kept.answer(asking(path), {"at": [seen.build[0], seen.positions[0]]}, seen, reconstructed=False)
        for target in _TARGETS:
            told = body_of(kept.find(target_of(asking(target).scope)))
            if told is not None:
                assert told["at"] == [last.build[0], last.positions[0]]
                assert told["events_behind"] == last.freshness.events_behind


def test_an_answer_is_told_with_the_freshness_seen_last_and_its_own_tag() -> None:
    kept = KeptAnswers()
    kept.saw(sighting(1))
    first = kept.answer(asking("/v1/a"), {"rows": [1]}, sighting(1), reconstructed=True)
    kept.saw(sighting(1, 1.0, minutes=2))
    found = kept.find(target_of(asking("/v1/a").scope))
    assert found is not None
    assert found is kept.find(target_of(asking("/v1/a").scope))
    assert body_of(found) == {
        "rows": [1], "as_of": "2026-01-01T01:00:00Z", "complete_through": "2026-01-01T00:02:00Z", "events_behind": 2,
        "reconstructed": True,
    }  # fmt: skip
    assert found.etag != first.headers["etag"]
    assert kept.answer(asking("/v1/a", if_none_match=found.etag), {"rows": [1]}, sighting(1, 1.0, minutes=2),
                       reconstructed=True).status_code == 304  # fmt: skip


def test_an_earlier_state_is_not_told_after_a_later_one() -> None:
    kept = KeptAnswers()
    kept.saw(sighting(2))
    kept.answer(asking("/v1/a"), {"at": 2}, sighting(2), reconstructed=False)
    kept.saw(sighting(1, 1.0))
    kept.answer(asking("/v1/b"), {"at": 1}, sighting(1, 1.0), reconstructed=False)
    assert body_of(kept.find(target_of(asking("/v1/a").scope)))["at"] == 2
    assert kept.find(target_of(asking("/v1/b").scope)) is None


def test_a_sighting_vouches_for_a_moment() -> None:
    kept = KeptAnswers()
    assert not kept.is_vouched_for(0.0)
    kept.saw(sighting(1, 10.0))
    assert kept.is_vouched_for(10.0 + VOUCHED * 0.9)
    assert not kept.is_vouched_for(10.0 + VOUCHED)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 3_000)), max_size=60))
def test_it_never_takes_more_than_it_may_and_forgets_the_oldest(asked: list[tuple[int, int]]) -> None:
    kept = KeptAnswers(20_000)
    kept.saw(sighting(1))
    for place, size in asked:
        kept.answer(asking(f"/v1/{place}"), {"text": "x" * size}, sighting(1), reconstructed=False)
        assert kept.bytes <= 20_000
        assert kept.find(target_of(asking(f"/v1/{place}").scope)) is not None
    kept.saw(sighting(2, 1.0))
    assert kept.bytes == 0
