"""Reading what sources send: exact money, instants of any spelling, and errors that are always ours."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest import wire
from services.ingest.sources import payload
from services.ingest.sources.adapter import Account, SourceSettings
from services.ingest.sources.payload import Speaker
from shared.contracts.currencies import CODES
from shared.contracts.strict_json import Number, dumped, parse
from shared.kernel.errors import InvalidInputError, MalformedError, QuintantError
from shared.kernel.ids import is_id

AT = datetime(2026, 11, 24, 15, 11, 55, 724000, tzinfo=UTC)
ACCOUNT = Account("crm", ("secret",), SourceSettings())
SPEAKER = Speaker(ACCOUNT, "delivery-1")
DECIMALS = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20, places=6)
TEXTS = st.text(st.characters(codec="utf-8", min_codepoint=1), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | TEXTS | st.integers(-(10**30), 10**30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)
ANYTHING = JSON | st.floats().map(repr) | st.from_regex(r"[+\-0-9.eE,_ T:Z]{0,40}", fullmatch=True)


def pairs() -> st.SearchStrategy[tuple[str, Decimal]]:
    """A decimal as senders spell it, and what it is."""
    plain = DECIMALS.map(lambda one: (format(one, "f"), one))
    exponents = st.tuples(st.integers(-(10**9), 10**9), st.integers(-9, 9)).map(
        lambda one: (f"{one[0]}E{one[1]}", Decimal(one[0]).scaleb(one[1]))
    )
    return plain | exponents | plain.map(lambda one: (f" {one[0]}\n", one[1]))


# JSON


@given(JSON)
def test_json_is_written_as_it_was_read(value: object) -> None:
    assert json.loads(dumped(parse(json.dumps(value).encode()))) == value


@pytest.mark.parametrize("number", ["1.10", "1e5", "-0", "123456789012345678901234567890.5", "1E-7"])
def test_numbers_keep_their_digits(number: str) -> None:
    body = f'{{"n":{number}}}'.encode()
    assert payload.read_object(body) == {"n": Number(number)}
    assert dumped(payload.read_object(body)) == body


@pytest.mark.parametrize("body", [b"", b"[]", b"1", b"\xff", b'{"a":1,"a":2}', b'{"a":NaN}', b'{"a":"\\u0000"}'])
def test_what_is_no_object(body: bytes) -> None:
    with pytest.raises(MalformedError):
        payload.read_object(body)


@pytest.mark.parametrize("body", [b"{}", b"[1]", b"[{},[]]"])
def test_what_is_no_array_of_objects(body: bytes) -> None:
    with pytest.raises(MalformedError):
        payload.read_array(body)


def test_places_are_named() -> None:
    with pytest.raises(MalformedError, match="meta is no"):
        payload.inner([], "meta is no object: meta")
    with pytest.raises(MalformedError, match=r"data\.id is missing"):
        payload.required(" ", "data.id")
    assert payload.required(Number("8"), "id") == "8"


@pytest.mark.parametrize(
    ("value", "found"),
    [(" a ", "a"), ("", None), (None, None), (True, None), ([], None), (Number("1.0"), "1.0")],
)
def test_texts(value: object, found: str | None) -> None:
    assert payload.text(value) == found


# Money


@given(pairs())
def test_amounts_are_exact_however_they_are_written(spelt: tuple[str, Decimal]) -> None:
    text, amount = spelt
    for value in (text, Number(text.strip())):
        assert Decimal((payload.money(value, " eur ") or {})["amount"]) == amount
        assert Decimal((payload.micros(value, "EUR") or {})["amount"]) * 10**6 == amount


@given(st.integers(-(10**29), 10**29), st.sampled_from(sorted(CODES)))
def test_minor_units_are_never_rounded(units: int, currency: str) -> None:
    said = payload.minor_units(Number(units), currency)
    assert said is not None
    whole, _, fraction = said["amount"].lstrip("-").partition(".")
    digits = payload.exponent(currency)
    assert int(whole + fraction.ljust(digits, "0")) == abs(units)
    assert len(fraction) <= digits


def test_no_digit_of_a_long_amount_is_lost() -> None:
    long = "123456789012345.000000000000000000000000000001"
    assert payload.micros(long, "EUR") == {
        "amount": "123456789.012345000000000000000000000000000001",
        "currency": "EUR",
    }


@pytest.mark.parametrize(
    ("units", "currency", "amount"),
    [
        ("20492", "usd", "204.92"),
        ("500", "JPY", "500"),
        ("12345", "KWD", "12.345"),
        ("5", "EUR", "0.05"),
        ("-7", "BHD", "-0.007"),
    ],
)
def test_minor_units_of_two_none_and_three_digits(units: str, currency: str, amount: str) -> None:
    assert payload.minor_units(units, currency) == {"amount": amount, "currency": currency.upper()}


def test_a_source_may_count_in_other_units_than_iso() -> None:
    assert payload.minor_units("50000", "JPY", 2) == {"amount": "500", "currency": "JPY"}


@pytest.mark.parametrize("read", [payload.money, payload.minor_units, payload.micros])
def test_no_amount_needs_no_currency(read: Callable[[object, object], object]) -> None:
    assert read(None, None) is None
    assert read(" ", None) is None
    for value, currency in ((Number("1"), None), (Number("1"), "XYZ"), (True, "EUR"), ("1,5", "EUR"), ({}, "EUR")):
        with pytest.raises(InvalidInputError):
            read(value, currency)


@given(ANYTHING)
def test_a_number_is_read_or_refused(value: object) -> None:
    try:
        found = payload.decimal(value)
    except QuintantError:
        return
    assert found is None or found.is_finite()


# Time


@given(
    st.datetimes(datetime(1900, 1, 2), datetime(2199, 12, 30)),  # noqa: DTZ001 - the bounds of a naive time
    st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes))),
    st.sampled_from("T "),
)
def test_instants_come_back_whatever_the_offset(naive: datetime, zone: timezone, separator: str) -> None:
    aware = naive.replace(tzinfo=zone)
    found = payload.instant(aware.isoformat(separator))
    assert (found, found.tzinfo) == (aware, UTC)
    assert payload.instant(naive.isoformat(separator), naive_in=zone) == aware
    micros = payload.micros_since_1970(found)
    assert payload.epoch(Number(micros), per_second=1_000_000) == found
    assert payload.epoch(format(Decimal(micros).scaleb(-6), "f")) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2026-11-24T16:11:55.724+01:00", AT),
        ("2026-11-24T15:11:55.724Z", AT),
        ("2026-11-24T23:11:55.724+0800", AT),
        ("2026-11-24T15:11:55.724000999Z", AT),
    ],
)
def test_spellings_of_instants(text: str, found: datetime) -> None:
    assert payload.instant(text) == found


def test_a_time_without_an_offset_needs_a_zone() -> None:
    with pytest.raises(MalformedError):
        payload.instant("2026-11-24 15:11:55")
    berlin = ZoneInfo("Europe/Berlin")
    assert payload.instant("2026-07-01 12:00:00", naive_in=berlin) == datetime(2026, 7, 1, 10, tzinfo=UTC)
    assert payload.instant("2026-12-01 12:00:00", naive_in=berlin) == datetime(2026, 12, 1, 11, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        *(None, "", "tomorrow", Number("5"), {}),
        *("0001-01-01T00:00:00+10:00", "9999-12-31T23:59:59-10:00"),
        *("1899-12-31T00:00:00Z", "2200-01-01T00:00:00Z"),
    ],
)
def test_what_is_no_instant(text: object) -> None:
    with pytest.raises(MalformedError):
        payload.instant(text)


@pytest.mark.parametrize("value", ["1e99", "-99999999999999", "99999999999999999999999999999999", None, ""])
def test_what_is_no_count_of_seconds(value: object) -> None:
    with pytest.raises(MalformedError):
        payload.epoch(value)


def test_seconds_and_milliseconds() -> None:
    assert payload.epoch(Number("1795533115.724")) == payload.epoch("1795533115724", per_second=1000) == AT


@given(ANYTHING)
def test_a_time_is_read_or_refused(value: object) -> None:
    for read in (payload.instant, payload.epoch, payload.day):
        try:
            read(value)
        except QuintantError:
            continue


@given(st.dates(date(1900, 1, 1), date(2199, 12, 31)), st.sampled_from(["", "T00:00:00.000Z", " 15:11:55"]))
def test_days(day: date, rest: str) -> None:
    assert payload.day(f"{day}{rest}") == day.isoformat()


@pytest.mark.parametrize("text", ["2026-13-01", "2026-02-30", "20.12.2026", "2026-12-200", "2026-12-20x", "20261220"])
def test_what_is_no_day(text: str) -> None:
    with pytest.raises(MalformedError):
        payload.day(text)


def test_no_day() -> None:
    assert payload.day(None) is payload.day(" ") is None


# Events


@given(st.text(min_size=1, max_size=300).filter(str.strip), st.text(max_size=300))
def test_an_event_has_an_id_that_is_one(foreign_id: str, event_id: str) -> None:
    event = SPEAKER.changed("deal", foreign_id, {}, event_id=event_id, at=AT)
    assert is_id(event.id)
    assert event.subject == f"crm:{foreign_id.strip()}"
    assert (event.source, event.cause) == ("/sources/crm", "delivery-1")
    if is_id(event_id):
        assert event.id == event_id


@pytest.mark.parametrize(
    ("ended", "said"),
    [(None, {}), (True, {"ended": True}), (False, {"ended": False})],
)
def test_what_is_not_said_is_not_there(ended: bool | None, said: dict[str, object]) -> None:
    event = SPEAKER.changed("deal", "8", {"title": None}, event_id="e", at=AT, ended=ended)
    assert json.loads(event.data) == {"id": "crm:8", "title": None} | said


def test_an_object_without_an_id_is_none() -> None:
    with pytest.raises(MalformedError):
        SPEAKER.changed("deal", " ", {}, event_id="e", at=AT)


def test_an_alias_names_the_customer_that_was_merged_away() -> None:
    fields = {"of_type": "customer", "into_id": SPEAKER.ref("1")}
    candidate = wire.candidate_of(SPEAKER.changed("alias", "2", fields, event_id="e", at=AT))
    assert candidate.subject == "customer:crm:2"


def test_a_rate_is_the_same_for_every_source() -> None:
    fields = {"base": "EUR", "quote": "USD", "rate": "1.1", "rate_type": "spot"}
    assert wire.candidate_of(SPEAKER.changed("exchange-rate", "spot:EUR/USD", fields, event_id="e", at=AT))


def test_a_person_is_found_under_a_pseudonym() -> None:
    person = SPEAKER.person("Jane.Doe@Example.com")
    assert person == SPEAKER.person(" jane.doe@example.com ")
    assert "jane" not in str(person)
    member = SPEAKER.changed("member", SPEAKER.pseudonym("jane.doe@example.com") or "", {}, event_id="e", at=AT)
    assert member.subject == person
    assert SPEAKER.person(None) is SPEAKER.ref(" ") is SPEAKER.pseudonym("") is None
    assert Speaker(Account("other", (), SourceSettings())).person("jane.doe@example.com") != person


@given(st.lists(st.text(max_size=5) | st.binary(max_size=5), max_size=4), st.lists(st.text(max_size=5), max_size=4))
def test_fingerprints_tell_contents_apart(one: list[str | bytes], other: list[str]) -> None:
    encoded = [part.encode() if isinstance(part, str) else part for part in one]
    same = encoded == [part.encode() for part in other]
    assert (payload.fingerprint(*one) == payload.fingerprint(*other)) == same
