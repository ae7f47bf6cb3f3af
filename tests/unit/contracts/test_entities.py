"""Reading the data of an event: every fault is found, at its pointer, without repeating what was refused."""

import json

import msgspec
import pytest

from shared.contracts.entities import (
    ENTITIES,
    MAX_FAULTS,
    decode_canonical,
    decode_data,
    entity_of,
    event_type,
    said,
    statement,
)
from shared.kernel.errors import CurrencyMismatchError, InvalidInputError, MalformedError, TooLargeError

EUR = {"amount": "10.00", "currency": "EUR"}
USD = {"amount": "10.00", "currency": "USD"}


def faults(slug: str, data: object) -> dict[str, str]:
    with pytest.raises(InvalidInputError) as refused:
        decode_data(ENTITIES[slug], json.dumps(data).encode())
    return {fault.where: fault.reason for fault in refused.value.faults}


def test_the_registry_is_what_the_brief_says() -> None:
    reference = {slug for slug, entity in ENTITIES.items() if entity.reference}
    assert reference == {
        "customer", "product", "organisation-unit", "member", "channel", "exchange-rate", "target", "stage-map",
        "alias",
    }  # fmt: skip
    assert ENTITIES.keys() - reference == {
        "lead", "deal", "activity", "order", "shipment", "return", "invoice", "credit-note", "payment", "feedback",
        "external-series",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("slug", "collections"),
    [
        ("order", {"lines"}), ("deal", {"competitor_ids"}), ("payment", {"allocations"}), ("customer", {"contacts"}),
        ("stage-map", {"stages"}), ("external-series", {"points"}), ("target", set()), ("feedback", set()),
    ],
)  # fmt: skip
def test_collections_are_known_from_the_types(slug: str, collections: set[str]) -> None:
    assert ENTITIES[slug].collections == collections


@pytest.mark.parametrize("slug", ENTITIES)
def test_event_types_name_their_entity(slug: str) -> None:
    assert entity_of(event_type(slug)) is ENTITIES[slug]


@pytest.mark.parametrize(
    "type_", ["", "deal", "io.quintant.deal.changed.v2", "io.quintant.x.changed.v1", "IO.quintant.deal.changed.v1"]
)
def test_other_types_are_refused_with_the_list(type_: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        entity_of(type_)
    assert "credit-note" in refused.value.faults[0].reason


def test_every_fault_is_found_at_its_pointer() -> None:
    found = faults(
        "order",
        {
            "id": 5,
            "status": "lost",
            "customer_id": " x",
            "ended": None,
            "colour": "red",
            "lines": {"a/b~c": {"net": {"amount": "NaN", "currency": "XXX"}, "sku": 1}, "2": []},
        },
    )
    assert found == {
        "/id": "must be a string",
        "/status": "must be one of draft, confirmed, fulfilled, cancelled",
        "/customer_id": "must be 1 to 255 printable characters without a blank at either end",
        "/ended": "must not be null",
        "/colour": "unknown field",
        "/lines/a~1b~0c/net/amount": found["/lines/a~1b~0c/net/amount"],
        "/lines/a~1b~0c/net/currency": "unknown currency: must be an ISO 4217 code such as EUR",
        "/lines/a~1b~0c/sku": "unknown field",
        "/lines/2": "must be an object",
    }


@pytest.mark.parametrize(
    ("slug", "data", "where", "reason"),
    [
        ("deal", [], "", "must be an object"),
        ("deal", {}, "/id", "is required"),
        ("deal", {"id": None}, "/id", "must not be null"),
        ("deal", {"id": "D", "title": "x" * 256}, "/title", "must be a string of length <= 255"),
        ("deal", {"id": "D", "amount": EUR | {"unit": "k"}}, "/amount/unit", "unknown field"),
        ("deal", {"id": "D", "amount": {"amount": "1"}}, "/amount/currency", "is required"),
        ("deal", {"id": "D", "competitor_ids": ["K"]}, "/competitor_ids", "keys are the ids of its entries"),
        ("order", {"id": "O", "lines": [{}]}, "/lines", "keys are the ids of its entries"),
        ("order", {"id": "O", "lines": {"": {}}}, "/lines/", "must be a string of length >= 1"),
        ("activity", {"id": "A", "minutes": -1}, "/minutes", "must be a whole number >= 0"),
        ("activity", {"id": "A", "minutes": "5"}, "/minutes", "must be a whole number"),
        ("customer", {"id": "C", "related_party": "yes"}, "/related_party", "must be true or false"),
        ("customer", {"id": "C", "kind": "person", "name": "Ann"}, "/name", "goes into person_name"),
        ("customer", {"id": "C", "contacts": {"a@b.example": {}}}, "/contacts/a@b.example", "mail address"),
        ("external-series", {"id": "X", "points": {"May": {"value": "1"}}}, "/points/May", "length >= 10"),
        ("external-series", {"id": "X", "points": {"2026-13-01": {}}}, "/points/2026-13-01", "must be a date"),
        ("external-series", {"id": "X", "points": {"1026-12-01": {}}}, "/points/1026-12-01", "years"),
        ("feedback", {"id": "F", "answers": {"q": 1.5}}, "/answers/q", "a string, a whole number, true or false"),
        ("invoice", {"id": "I", "issued_on": "2026-02-02", "due_on": "2026-02-01"}, "/due_on", "before issued_on"),
        ("credit-note", {"id": "I", "issued_on": "2026-02-02", "due_on": "2026-02-01"}, "/due_on", "before issued_on"),
        ("target", {"id": "T", "period_start": "2026-02-02", "period_end": "2026-02-01"}, "/period_end", "before"),
        ("target", {"id": "T", "slice": {"Team": "x"}}, "/slice/Team", "slug"),
        ("exchange-rate", {"id": "EUR/USD"}, "/id", "<rate_type>:<base>/<quote>"),
        ("exchange-rate", {"id": "spot:EUR/EUR"}, "/id", "of two currencies"),
        ("exchange-rate", {"id": "spot:EUR/ABC"}, "/id", "of two currencies"),
        ("exchange-rate", {"id": "daily:EUR/USD"}, "/id", "<rate_type>"),
        ("exchange-rate", {"id": "spot:EUR/USD", "base": "USD"}, "/id", "with the values said"),
        ("stage-map", {"id": "/crm"}, "/id", "<of_source>#<pipeline_id>"),
        ("stage-map", {"id": "/crm#a", "pipeline_id": "b"}, "/id", "with the values said"),
        ("stage-map", {"id": "/crm#a", "stages": {"Won": {"stage": "Closed Won"}}}, "/stages/Won/stage", "slug"),
        ("alias", {"id": "C-1"}, "/id", "customer:<id"),
        ("alias", {"id": "customer:C-1", "into_id": "C-1"}, "/into_id", "merged away"),
    ],
)
def test_a_fault_says_where_and_why(slug: str, data: object, where: str, reason: str) -> None:
    found = faults(slug, data)
    assert found.keys() == {where}
    assert reason in found[where]


@pytest.mark.parametrize(
    ("slug", "data", "where"),
    [
        ("order", {"lines": {"1": {"net": EUR}, "2": {"tax": USD}}}, "/lines/2/tax/currency"),
        ("order", {"lines": {"1": {"unit_price": EUR, "discount": USD}}}, "/lines/1/discount/currency"),
        ("invoice", {"net": EUR, "tax": EUR, "gross": USD}, "/gross/currency"),
        ("shipment", {"lines": {"1": {"net": EUR}, "2": {"net": USD}}}, "/lines/2/net/currency"),
        ("payment", {"amount": EUR, "allocations": {"I/1": EUR, "I/2": USD}}, "/allocations/I~12/currency"),
        ("payment", {"allocations": {"I1": EUR, "I2": USD}}, "/allocations/I2/currency"),
    ],
)
def test_two_currencies_in_one_document_are_refused(slug: str, data: dict[str, object], where: str) -> None:
    with pytest.raises(CurrencyMismatchError) as refused:
        decode_data(ENTITIES[slug], json.dumps({"id": "X"} | data).encode())
    assert [fault.where for fault in refused.value.faults] == [where]
    assert refused.value.slug == "currency-mismatch"


def test_a_product_may_be_bought_and_sold_in_two_currencies() -> None:
    decode_data(ENTITIES["product"], json.dumps({"id": "P", "price": EUR, "cost": USD}).encode())


def test_dates_may_be_equal_and_one_of_them_unsaid_or_cleared() -> None:
    for dates in ({"issued_on": "2026-01-01", "due_on": "2026-01-01"}, {"due_on": "2026-01-01"}, {"issued_on": None}):
        decode_data(ENTITIES["invoice"], json.dumps({"id": "I"} | dates).encode())


def test_no_refused_value_is_repeated() -> None:
    secret = "Erika-Mustermann-Canary"
    data = {
        "id": f" {secret}",
        "status": secret,
        "ordered_on": secret,
        "lines": {"1": {"quantity": secret, "net": {"amount": secret, "currency": secret}, "tax": secret}},
    }
    with pytest.raises(InvalidInputError) as refused:
        decode_data(ENTITIES["order"], json.dumps(data).encode())
    assert secret not in refused.value.detail + str(refused.value.faults)
    assert len(refused.value.faults) == 7


def test_faults_are_told_up_to_a_limit() -> None:
    assert len(faults("deal", {"id": "D"} | {f"x{n}": 1 for n in range(1000)})) == MAX_FAULTS


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"not json", MalformedError),
        (b'{"id":"D","id":"D"}', MalformedError),
        (b'{"id":"D","title":"\xff"}', MalformedError),
        (b'{"id":"D","probability":NaN}', MalformedError),
        (b'{"id":"D","title":' + b"[" * 50 + b"]" * 50 + b"}", TooLargeError),
    ],
)
def test_what_is_no_json_is_not_merely_invalid(body: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        decode_data(ENTITIES["deal"], body)


def test_canonical_data_hold_decimals_as_strings_only() -> None:
    body = b'{"id":"D","probability":0.7}'
    decode_data(ENTITIES["deal"], body)
    with pytest.raises(InvalidInputError) as refused:
        decode_canonical(ENTITIES["deal"], body)
    assert [fault.where for fault in refused.value.faults] == ["/probability"]


@pytest.mark.parametrize("body", [b"", b"{", b'{"id":"\xff"}', b'{"id":"D"} x'])
def test_canonical_data_that_are_no_json_are_malformed(body: bytes) -> None:
    with pytest.raises(MalformedError):
        decode_canonical(ENTITIES["deal"], body)


def test_unsaid_and_cleared_are_two_things() -> None:
    deal = decode_data(ENTITIES["deal"], b'{"id":"D","stage":null}')
    assert msgspec.to_builtins(deal) == {"id": "D", "stage": None}
    assert said(b'{"id":"D","stage":null}') == {"stage": None}


def test_a_statement_keeps_its_end_and_its_date_apart() -> None:
    told = statement(b'{"ended":false,"id":"M","role":"x","since":"2026-01-31"}')
    assert (told.id, told.said, told.ended, str(told.since)) == ("M", {"role": "x"}, False, "2026-01-31")
    bare = statement(b'{"id":"M","since":null}')
    assert (bare.said, bare.ended, bare.since) == ({}, None, None)


@pytest.mark.parametrize("wrong", [[0], [[1.5]], {"a": 1}, {"a": [{"b": 2e3}]}, 7, True])
def test_numbers_anywhere_in_a_wrong_value_are_a_fault_like_any_other(wrong: object) -> None:
    assert faults("deal", {"id": "D-8", "stage": wrong}) == {"/stage": "must be a string"}
