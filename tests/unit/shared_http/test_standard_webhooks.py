"""Standard Webhooks: the standard's own signature, reasons and laws; the published vectors are with that source."""

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.http.standard_webhooks import NotGenuineError, message_id, secret_bytes, sign, signed_headers, verify

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # the published test secret of the standard
ID, AT, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
GOOD = {"webhook-id": ID, "webhook-timestamp": str(AT), "webhook-signature": SIGNATURE}


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def check(headers: Mapping[str, str], body: bytes = BODY, now: float = AT, secret: str = SECRET) -> str:
    return verify([secret_bytes(secret)], headers, body, at(now))


def test_the_standards_own_signature() -> None:
    assert sign(secret_bytes(SECRET), ID, str(AT), BODY) == SIGNATURE
    assert check(GOOD) == ID


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        (GOOD | {"webhook-signature": SIGNATURE.replace("OE=", "OA=")}, "signature"),
        (GOOD | {"webhook-signature": SIGNATURE.replace("v1", "v2")}, "version"),
        (GOOD | {"webhook-signature": "v1,"}, "malformed"),
        (GOOD | {"webhook-signature": ""}, "missing-header"),
        (GOOD | {"webhook-signature": "v1,ü"}, "malformed"),
        (GOOD | {"webhook-signature": SIGNATURE[:-1]}, "malformed"),
        (GOOD | {"webhook-signature": f"{SIGNATURE} v1,AAAA"}, "malformed"),
        (GOOD | {"webhook-signature": f"{SIGNATURE}, {SIGNATURE}"}, "malformed"),
        (GOOD | {"webhook-signature": f"v2,AAAA, {SIGNATURE}"}, "malformed"),
        (GOOD | {"webhook-id": "msg_other"}, "signature"),
        (GOOD | {"webhook-id": "msg other"}, "malformed"),
        (GOOD | {"webhook-timestamp": str(AT + 1)}, "signature"),
        (GOOD | {"webhook-timestamp": f"0{AT}"}, "signature"),
        (GOOD | {"webhook-timestamp": "hello"}, "malformed"),
        (GOOD | {"webhook-timestamp": "9" * 5000}, "malformed"),
        (GOOD | {"webhook-timestamp": "-1"}, "malformed"),
        ({name: value for name, value in GOOD.items() if name != "webhook-id"}, "missing-header"),
        ({name: value for name, value in GOOD.items() if name != "webhook-timestamp"}, "missing-header"),
        ({}, "missing-header"),
    ],
)
def test_anything_else_is_refused_and_only_the_operator_learns_why(headers: dict[str, str], reason: str) -> None:
    with pytest.raises(NotGenuineError) as refused:
        check(headers)
    assert refused.value.detail == "The webhook's signature does not fit."
    assert refused.value.reason == reason


@pytest.mark.parametrize("others", ["v2,AAAA", "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzC"])
def test_signatures_of_other_versions_are_passed_over(others: str) -> None:
    assert check(GOOD | {"webhook-signature": f"{others} {SIGNATURE} {others}"}) == ID


def test_svix_headers_count_if_there_is_no_webhook_id() -> None:
    svix = {name.replace("webhook", "svix"): value for name, value in GOOD.items()}
    assert check(svix) == message_id(svix) == ID
    assert check(svix | GOOD) == ID
    with pytest.raises(NotGenuineError) as refused:
        check(svix | {"webhook-id": "msg_unsigned"})
    assert refused.value.reason == "missing-header"


@pytest.mark.parametrize("away", [-300, 300])
def test_at_the_edge_of_the_tolerance(away: int) -> None:
    assert check(GOOD, now=AT + away) == ID


@pytest.mark.parametrize("away", [-301, 301])
def test_beyond_the_tolerance(away: int) -> None:
    with pytest.raises(NotGenuineError):
        check(GOOD, now=AT + away)


def test_an_id_with_a_full_stop_is_refused() -> None:
    secret = secret_bytes(SECRET)
    with pytest.raises(NotGenuineError):
        verify([secret], signed_headers([secret], "a.b", at(AT), BODY), BODY, at(AT))


def test_an_unknown_source_is_refused_like_a_bad_signature() -> None:
    with pytest.raises(NotGenuineError, match="does not fit"):
        verify([], GOOD, BODY, at(AT))


@given(st.binary(min_size=24, max_size=64), st.binary(min_size=24, max_size=64), st.binary())
def test_either_secret_of_a_rotation_is_enough(old: bytes, new: bytes, body: bytes) -> None:
    headers = signed_headers([new, old], "msg_1", at(AT), body)
    assert verify([old], headers, body, at(AT)) == verify([new], headers, body, at(AT)) == "msg_1"


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_?", "whsec_abc"])
def test_a_secret_that_is_none(secret: str) -> None:
    with pytest.raises(ValueError, match="whsec_"):
        secret_bytes(secret)
