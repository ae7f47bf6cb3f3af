"""What is wrong with a mapping is told when it is loaded, and neither a body nor an expression runs away."""

from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.kernel.errors import MalformedError, QuintantError, TooLargeError
from tests.unit.sources.json_accounts import AT, JSON, RULE, account, adapted, fields, problem

ENTRIES: dict[str, Any] = {"each": "a", "key": "b"}
PRICED: dict[str, Any] = {"entry": {"value": "c", "currency": "d"}, "fields": {"x": "y"}}
OPEN: dict[str, Any] = {"value": "a", "values": {"x": "open"}}


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ({"entity": "opportunity"}, "rule deal: entity must be one of"),
        ({"id": ""}, "rule deal needs an id and a time"),
        ({"id": {"constant": "1"}}, "rule deal: id is an expression"),
        ({"id": "a..b"}, "rule deal: id: value is no JMESPath"),
        ({"when": "a ="}, "rule deal: when is no JMESPath"),
        ({"when": "a == `b`"}, "rule deal: when is no JMESPath"),
        ({"when": "$a"}, "rule deal: when needs a full stop"),
        ({"when": "avg(a)"}, "calls avg(), which is none of"),
        ({"when": "a[::0]"}, "a slice with a step of zero"),
        ({"when": "!" * 60 + "a"}, "nests too deeply"),
        ({"when": "(" * 400 + "a" + ")" * 400}, "rule deal: when"),
        ({"when": "a" * 501}, "is longer than 500"),
        ({"when": "a == `0.1234567890123456789`"}, "a number of more than 15 digits"),
        ({"each": "[@, @]"}, "each chooses entries that are there"),
        ({"time": {"value": "at", "format": "%j"}}, "rule deal: time: a time must be rfc3339"),
        ({"time": {"value": "at", "zone": "Berlin"}}, "a time must be an IANA time zone"),
        ({"fields": {"name": "n"}}, "field name: there is no such field"),
        ({"fields": {"id": "n"}}, "field id: there is no such field"),
        ({"fields": {"title": {}}}, "field title needs one of value and constant"),
        ({"fields": {"title": {"value": "a", "constant": "b"}}}, "field title needs one of value and constant"),
        ({"fields": {"title": {"value": "a", "each": "b"}}}, "field title: each is for collections"),
        ({"fields": {"title": {"value": "a", "currency": "b"}}}, "field title: currency is for money"),
        ({"fields": {"title": {"value": "a", "unit": "minor"}}}, "field title: unit must be one of major"),
        ({"fields": {"title": {"value": "a", "otherwise": "b"}}}, "field title: otherwise goes with values"),
        ({"fields": {"title": {"value": "a", "format": "%Q"}}}, "field title: a time must be"),
        ({"fields": {"amount": "a"}}, "field amount needs a currency"),
        ({"fields": {"amount": {"value": "a", "unit": "percent"}}}, "field amount: unit must be one of"),
        ({"fields": {"competitor_ids": "a"}}, "field competitor_ids: value is for single values"),
        ({"fields": {"competitor_ids": {"each": "a"}}}, "field competitor_ids needs each and key"),
        ({"fields": {"competitor_ids": {"each": "a", "key": "b", "entry": "c"}}}, "needs fields, not entry"),
        ({"fields": {"title": "a..", "stage": "b.."}}, "field stage: value is no JMESPath"),
        ({"entity": "order", "fields": {"status": {"constant": "open"}}}, "field status must become one of"),
        ({"entity": "order", "fields": {"status": OPEN}}, "field status must become"),
        ({"entity": "payment", "fields": {"allocations": ENTRIES}}, "needs entry: how one is read"),
        ({"entity": "payment", "fields": {"allocations": {**ENTRIES, **PRICED}}}, "its entries have no fields"),
        ({"entity": "feedback", "fields": {"answers": ENTRIES}}, "needs entry: how one is read"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_rule_is_told_when_it_is_loaded(rule: dict[str, Any], reason: str) -> None:
    assert reason in problem({**RULE, **rule})


def test_all_that_is_wrong_is_told_at_once() -> None:
    told_of = problem({**RULE, "fields": {"name": "n"}, "time": "a.."}, {**RULE, "name": "other", "entity": "x"})
    assert [part in told_of for part in ("rule deal, field name", "rule deal: time", "rule other: entity")] == [
        True
    ] * 3
    assert "two rules called deal" in problem(RULE, RULE)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"verification": {"scheme": "hmac", "header": "X", "signed": "{timestamp}.{body}"}}, "signed must hold"),
        ({"verification": {"scheme": "hmac", "header": "X", "timestamp_header": "Y"}}, "signed must hold"),
        ({"verification": {"scheme": "hmac", "header": "X", "signed": "{body}{body}"}}, "signed must hold"),
        ({"verification": {"scheme": "hmac", "header": "X Y"}}, "verification.header"),
        ({"verification": {"scheme": "none"}}, "verification"),
        ({"currency": "Euro"}, "currency must be"),
        ({"time_zone": "../etc"}, "time_zone must be"),
    ],
)
def test_what_is_wrong_with_a_source(said: dict[str, Any], reason: str) -> None:
    assert reason in problem(**said)


# Bounds


@pytest.mark.parametrize("body", [b"", b"7", b'"x"', b"{", b"null"])
def test_what_is_neither_an_object_nor_a_list(body: bytes) -> None:
    with pytest.raises(MalformedError):
        adapted(account(RULE), body)


def test_too_many_entries() -> None:
    with pytest.raises(TooLargeError):
        adapted(account({**RULE, "each": "@"}), [{"id": 1, "at": AT}] * 1001)
    with pytest.raises(TooLargeError):
        fields({"competitor_ids": {"each": "r", "key": "@"}}, {"r": list(range(5001))})


@pytest.mark.parametrize(
    "expression",
    [
        "[@,@][]" + "|[@,@][]" * 20,
        "join('',[s,s])" + "|join('',[@,@])" * 20,
        "to_string(@" + ")|to_string(@" * 20 + ")",
        "[@,@]" + "|[@,@]" * 20,
        "{a:@,b:@}" + "|{a:@,b:@}" * 20,
        "([@,@]" + "|[@,@]" * 20 + ") == ([@,@]" + "|[@,@]" * 20 + ")",
        "map(&[@,@], l)[]" + "|map(&[@,@], @)[]" * 14,
        "l[*].[@,@][]" + "|[*].[@,@][]" * 18,
    ],
)
def test_no_expression_runs_away(expression: str) -> None:
    configured = account({**RULE, "fields": {"title": expression}, "when": "id"})
    with suppress(TooLargeError):
        adapted(configured, {"id": 1, "at": AT, "s": "x" * 1000, "l": list(range(50))})


SIGNS = [*"abcd@*|&!.,:()[]{}", "[]", "[*]", "[?", "==", "<", "||", "&&", "`1`", "'x'", "[0]", "[::-1]", "[:2]"]
CALLS = ["length(", "sum(", "abs(", "join('',", "map(&", "keys(", "to_string(", "contains(", "not_null("]
WORDS = st.sampled_from([*SIGNS, *CALLS, "id", "$", "^", "$.a"])


@settings(max_examples=400)
@given(st.lists(WORDS, min_size=1, max_size=12).map("".join), JSON)
def test_an_expression_is_refused_or_gives_an_answer(expression: str, body: object) -> None:
    try:
        configured = account({**RULE, "fields": {"title": expression}, "when": expression})
    except msgspec.ValidationError:
        return
    try:
        adapted(configured, {"id": 1, "at": AT, "a": body})
        adapted(configured, [body])
    except QuintantError:
        return
