"""Which status each error has, and that a problem repeats nothing that was sent."""

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.requests import Request

from shared.http.problems import STATUS, TooManyRequestsError, _pointer, _validation, fault_body, problem, status_of
from shared.kernel import errors
from shared.kernel.errors import Fault, QuintantError


def every(kind: type[QuintantError]) -> list[type[QuintantError]]:
    return [kind, *(deeper for below in kind.__subclasses__() for deeper in every(below))]


@pytest.mark.parametrize("kind", [k for k in every(QuintantError) if k.__module__ == errors.__name__])
def test_every_error_of_the_kernel_has_a_status(kind: type[QuintantError]) -> None:
    expected = 500 if kind is QuintantError else next(STATUS[base] for base in kind.__mro__ if base in STATUS)
    assert status_of(kind("x")) == expected
    assert (expected == 500) == (kind is QuintantError)


def test_a_deeper_error_has_its_parents_status() -> None:
    assert status_of(errors.CurrencyMismatchError("x")) == 422
    assert status_of(TooManyRequestsError("x")) == 429


def test_pointers_are_escaped() -> None:
    assert _pointer(["a/b", "c~d", "0"]) == "/a~1b/c~0d/0"


class Order(BaseModel):
    amount: int
    kind: str


@pytest.mark.parametrize("given", ['{"amount":"hunter2","kind":"x"}', '{"amount":[],"kind":7}', '{"kind":"x"}'])
def test_validation_does_not_echo(given: str) -> None:
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(Order).validate_json(given)
    said = [_validation({**item, "loc": ("body", *item["loc"])}) for item in refused.value.errors()]
    assert said
    assert all(set(item) == {"pointer", "reason"} and "hunter2" not in item["reason"] for item in said)


def test_a_reason_that_repeats_the_input_is_replaced() -> None:
    item = {"type": "value_error", "loc": ("query", "zone"), "msg": "Value error, no zone Mars", "input": "Mars"}
    assert _validation(item) == {"parameter": "zone", "reason": "Input is not valid (value_error)"}
    assert _validation({**item, "input": "X9"})["reason"] == "no zone Mars"


def test_the_tag_of_a_union_is_not_repeated() -> None:
    item = {
        "type": "union_tag_invalid",
        "loc": ("body",),
        "msg": "Input tag 'evil' found",
        "input": {},
        "ctx": {"expected_tags": "'a'"},
    }
    assert _validation(item) == {"pointer": "", "reason": "Input should be one of: 'a'"}


def test_a_problem_names_the_request() -> None:
    scope = {"type": "http", "headers": [], "quintant.request_id": "r-1"}
    response = problem(Request(scope), 404, "not-found", "No such deal.", errors=[{"parameter": "id", "reason": "x"}])
    assert response.media_type == "application/problem+json"
    assert bytes(response.body) == (
        b'{"type":"urn:quintant:problem:not-found","title":"Not found","status":404,"detail":"No such deal.",'
        b'"instance":"urn:quintant:request:r-1","errors":[{"parameter":"id","reason":"x"}]}'
    )


def test_fault_places() -> None:
    assert fault_body(Fault("/lines/1", "x")) == {"pointer": "/lines/1", "reason": "x"}
    assert fault_body(Fault("row 7, column amount", "x")) == {"parameter": "row 7, column amount", "reason": "x"}
