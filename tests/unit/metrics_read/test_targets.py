from datetime import UTC, date, datetime
from decimal import Decimal

from services.metrics.domain.targets import Target, target_of
from shared.kernel.journal import Assertion, Stamp, merge
from shared.kernel.period import Period

WHOLE = {"kpi": "revenue", "period_start": "2026-01-01", "period_end": "2026-03-31", "value": "1000.50"}


def said(event: str, known: date, fields: dict[str, object], **more: object) -> Assertion:
    at = datetime(2026, 1, int(event), tzinfo=UTC)
    return Assertion(Stamp(at, 0, "/plan", event), known, fields, **more)  # type: ignore[arg-type]


def test_a_target_is_what_was_said_last_of_each_field() -> None:
    journal = merge(
        (),
        [
            said("1", date(2026, 1, 1), {**WHOLE, "slice": {"team": "east"}, "currency": "USD", "owner_id": "ann"}),
            said("2", date(2026, 2, 1), {"value": "1200", "slice": {"region": "north"}, "title": "first quarter"}),
        ],
    )
    quarter = Period(date(2026, 1, 1), date(2026, 3, 31))
    assert target_of("t", journal, date(2026, 1, 31)) == Target(
        "t", "revenue", quarter, {"team": "east"}, Decimal("1000.50"), "USD", None, "ann"
    )
    later = target_of("t", journal, date(2026, 2, 1))
    assert later == Target("t", "revenue", quarter, {"region": "north"}, Decimal(1200), "USD", "first quarter", "ann")


def test_a_target_that_ended_or_is_not_whole_is_none() -> None:
    assert target_of("t", (), date(2026, 1, 1)) is None
    half = {name: value for name, value in WHOLE.items() if name != "value"}
    assert target_of("t", (said("1", date(2026, 1, 1), dict(half)),), date(2026, 1, 1)) is None
    journal = (said("1", date(2026, 1, 1), dict(WHOLE)), said("2", date(2026, 1, 5), {}, ended=True))
    assert target_of("t", journal, date(2026, 1, 4)) is not None
    assert target_of("t", journal, date(2026, 1, 5)) is None


def test_of_dated_values_the_latest_date_counts() -> None:
    journal = (
        said("1", date(2026, 1, 1), dict(WHOLE)),
        said("2", date(2026, 1, 2), {"value": "2000"}, since=date(2026, 3, 1)),
        said("3", date(2026, 1, 3), {"value": "1500"}, since=date(2026, 2, 1)),
    )
    target = target_of("t", journal, date(2026, 1, 3))
    assert target is not None
    assert target.value == 2000


def test_the_slice_is_what_the_number_is_asked_for() -> None:
    target = target_of("t", (said("1", date(2026, 1, 1), {**WHOLE, "slice": {"team": "east"}}),), date.max)
    assert target is not None
    asked = target.asked(date(2026, 2, 2))
    assert asked.where == {"team": ("east",)}
    assert (asked.start, asked.end, asked.known_at) == (date(2026, 1, 1), date(2026, 3, 31), date(2026, 2, 2))
