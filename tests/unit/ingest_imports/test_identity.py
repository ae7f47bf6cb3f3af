"""Which import says what: equal files say equal things, a later export wins, and a shift moves dates but no ids."""

from datetime import UTC, date, datetime, timedelta
from io import BytesIO
from itertools import permutations
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.imports import ImportRequest, default_as_of, end_of_day, fingerprint, read_mapping
from shared.kernel.errors import InvalidInputError
from tests.unit.ingest_imports.folding import latest
from tests.unit.ingest_imports.reading import AS_OF, DEALS, UTC_ZONE, deals, read

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 6, 1, tzinfo=UTC)


def test_equal_files_give_equal_drafts() -> None:
    rows = ["D1,2026-03-01,5,m", "D2,2026-03-02,6,"]
    assert read(DEALS, deals(*rows)).drafts == read(DEALS, deals(*rows)).drafts
    by_id = {draft.id: draft.data for draft in read(DEALS, deals(*rows)).drafts}
    assert by_id == {draft.id: draft.data for draft in read(DEALS, deals(*reversed(rows))).drafts}


def test_there_and_back_again_is_three_assertions() -> None:
    exports = [
        read(DEALS, deals(f"D1,2026-03-01,{amount},m"), as_of=AS_OF + timedelta(days=day)).draft
        for day, amount in enumerate((5, 6, 5))
    ]
    assert len({draft.id for draft in exports}) == 3
    assert [draft.sequence for draft in exports] == sorted(draft.sequence for draft in exports)
    for order in permutations(exports):
        assert latest(order, "deal")["D1"].fields["amount"] == {"amount": "5", "currency": "USD"}
    assert latest(exports[1::-1], "deal")["D1"].fields["amount"] == {"amount": "6", "currency": "USD"}


def test_a_long_id_is_derived() -> None:
    long = "x" * 250
    draft = read(DEALS, deals(f"{long},2026-03-01,5,m")).draft
    assert draft.subject == long
    assert len(draft.id) < 100
    assert draft.id != read(DEALS, deals(f"{long}y,2026-03-01,5,m")).draft.id


@given(st.integers(-1500, 1500), st.sampled_from(["UTC", "Europe/Berlin", "America/Sao_Paulo", "Pacific/Apia"]))
def test_a_shift_moves_days_by_whole_weeks_and_nothing_else(weeks: int, zone_name: str) -> None:
    zone = ZoneInfo(zone_name)
    mapping = DEALS.replace(
        "owner_id: owner", "owner_id: opened | date | concat:'/',[owner]\n          created_on: opened | date"
    )
    (still,) = read(mapping, deals("D1,2026-03-27,5,m"), zone=zone).drafts
    (moved,) = read(mapping, deals("D1,2026-03-27,5,m"), zone=zone, weeks=weeks).drafts
    expected = date(2026, 3, 27) + timedelta(weeks=weeks)
    assert (moved.id, moved.sequence, moved.subject) == (still.id, still.sequence, still.subject)
    assert moved.data.owner_id == "2026-03-27/m"  # type: ignore[attr-defined]
    assert moved.data.created_on == expected  # type: ignore[attr-defined]
    if expected != date(2011, 12, 30):  # Samoa had no such day
        assert moved.occurred_at.astimezone(zone).date() == expected


def test_as_of_is_what_the_mapping_declares() -> None:
    day = read_mapping(DEALS.replace("files:", "as_of: 2026-03-31\nfiles:", 1).encode())
    assert default_as_of(day, {}, BERLIN, NOW) == datetime(2026, 3, 31, 21, 59, 59, 999999, tzinfo=UTC)
    instant = read_mapping(DEALS.replace("files:", "as_of: 2026-03-31T18:00:00+02:00\nfiles:", 1).encode())
    assert default_as_of(instant, {}, BERLIN, NOW) == datetime(2026, 3, 31, 16, tzinfo=UTC)


def newest(*rows: str, mapping: str = DEALS) -> datetime:
    files = {name: BytesIO(str(text).encode()) for name, text in deals(*rows).items()}
    return default_as_of(read_mapping(mapping.encode()), files, BERLIN, NOW)


def test_as_of_is_the_newest_day_on_which_something_happened() -> None:
    rows = [
        "D1,2026-03-01,5,m",
        "D2,2026-03-09,5,m",
        "D2,2026-05-05,5,same key",
        "D3,soon,5,m",
        "D4,2026-09,5",
        "D5,9999-01-01,5,m",
    ]
    assert newest(*rows) == end_of_day(date(2026, 3, 9), BERLIN)
    dated = DEALS.replace("opened | date", "opened | instant").replace(
        "entity: deal\n", "entity: deal\n        when: owner\n"
    )
    rows = ["D1,2026-03-01T23:30:00Z,5,m", "D2,2026-03-01 08:00:00,5,m", "D3,2026-05-01 08:00:00,5,"]
    assert newest(*rows, mapping=dated) == end_of_day(date(2026, 3, 2), BERLIN)


def test_no_as_of_is_guessed() -> None:
    with pytest.raises(InvalidInputError, match="no date"):
        newest(mapping=DEALS)
    with pytest.raises(InvalidInputError, match="no date"):
        newest("D1,2026-03-01,5,m", mapping=DEALS.replace("opened | date", "opened | date | default:$as_of"))
    with pytest.raises(InvalidInputError, match="in the future"):
        newest("D1,2026-06-02,5,m")


def test_the_end_of_a_day_follows_the_clocks() -> None:
    summer = end_of_day(date(2026, 3, 29), BERLIN)  # a day of 23 hours
    assert summer + timedelta(microseconds=1) == datetime(2026, 3, 30, tzinfo=BERLIN)


def test_fingerprints() -> None:
    def of(**changed: object) -> str:
        said: dict[str, object] = {
            "mapping": read_mapping(DEALS.encode()),
            "files": {"deals.csv": BytesIO(b"1")},
            "as_of": AS_OF,
            "zone": UTC_ZONE,
        }
        return fingerprint(ImportRequest(**(said | changed)))  # type: ignore[arg-type]

    assert of() == of(as_of=AS_OF.astimezone(BERLIN))
    others = [
        of(files={"deals.csv": BytesIO(b"2")}),
        of(files={"x.csv": BytesIO(b"1")}),
        of(as_of=AS_OF + timedelta(microseconds=1)),
        of(known_as_occurred=True),
        of(shift=timedelta(weeks=1)),
        of(zone=BERLIN),
        of(mapping=read_mapping(DEALS.encode() + b"# changed\n")),
    ]
    assert len({of(), *others}) == 8
