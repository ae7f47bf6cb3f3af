"""Standard Webhooks: published vectors, own vectors, and laws."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.http.standard_webhooks import secret_bytes, sign, signed_headers, verify
from shared.kernel.errors import UnauthenticatedError

PUBLISHED = Path(__file__).parents[4] / "shared" / "data" / "webhooks" / "signature_vectors.json"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # the published test secret of the standard
ID, AT, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
GOOD = {"webhook-id": ID, "webhook-timestamp": str(AT), "webhook-signature": SIGNATURE}


def published() -> list[dict[str, Any]]:
    if not PUBLISHED.exists():
        return []
    vectors: list[dict[str, Any]] = json.loads(PUBLISHED.read_text("utf-8"))["vectors"]
    return [vector for vector in vectors if vector["provider"] == "standard-webhooks"]


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def check(headers: Mapping[str, str], body: bytes = BODY, now: float = AT, secret: str = SECRET) -> str:
    return verify([secret_bytes(secret)], headers, body, at(now))


def test_the_standards_own_signature() -> None:
    assert sign(secret_bytes(SECRET), ID, str(AT), BODY) == SIGNATURE
    assert check(GOOD) == ID


def test_the_published_vectors_where_present() -> None:
    for vector in published():
        body = vector["body"].encode()
        if vector["valid"]:
            assert check(vector["headers"], body, vector["now"], vector["secret"]), vector["id"]
            continue
        with pytest.raises(UnauthenticatedError):
            check(vector["headers"], body, vector["now"], vector["secret"])


@pytest.mark.parametrize(
    "headers",
    [
        GOOD | {"webhook-signature": SIGNATURE.replace("OE=", "OA=")},
        GOOD | {"webhook-signature": SIGNATURE.replace("v1", "v2")},
        GOOD | {"webhook-signature": "v1,"},
        GOOD | {"webhook-signature": ""},
        GOOD | {"webhook-signature": "v1,ü"},
        GOOD | {"webhook-id": "msg_other"},
        GOOD | {"webhook-timestamp": str(AT + 1)},
        GOOD | {"webhook-timestamp": f"0{AT}"},
        GOOD | {"webhook-timestamp": "hello"},
        GOOD | {"webhook-timestamp": "9" * 5000},
        GOOD | {"webhook-timestamp": "-1"},
        {name: value for name, value in GOOD.items() if name != "webhook-id"},
        {name: value for name, value in GOOD.items() if name != "webhook-timestamp"},
        {},
    ],
)
def test_anything_else_is_refused_alike(headers: dict[str, str]) -> None:
    with pytest.raises(UnauthenticatedError) as refused:
        check(headers)
    assert refused.value.detail == "The webhook's signature does not fit."


@pytest.mark.parametrize("away", [-300, 300])
def test_at_the_edge_of_the_tolerance(away: int) -> None:
    assert check(GOOD, now=AT + away) == ID


@pytest.mark.parametrize("away", [-301, 301])
def test_beyond_the_tolerance(away: int) -> None:
    with pytest.raises(UnauthenticatedError):
        check(GOOD, now=AT + away)


def test_an_id_with_a_full_stop_is_refused() -> None:
    secret = secret_bytes(SECRET)
    with pytest.raises(UnauthenticatedError):
        verify([secret], signed_headers([secret], "a.b", at(AT), BODY), BODY, at(AT))


def test_an_unknown_source_is_refused_like_a_bad_signature() -> None:
    with pytest.raises(UnauthenticatedError, match="does not fit"):
        verify([], GOOD, BODY, at(AT))


@given(st.binary(min_size=24, max_size=64), st.binary(min_size=24, max_size=64), st.binary())
def test_either_secret_of_a_rotation_is_enough(old: bytes, new: bytes, body: bytes) -> None:
    headers = signed_headers([new, old], "msg_1", at(AT), body)
    assert verify([old], headers, body, at(AT)) == verify([new], headers, body, at(AT)) == "msg_1"


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_?", "whsec_abc"])
def test_a_secret_that_is_none(secret: str) -> None:
    with pytest.raises(ValueError, match="whsec_"):
        secret_bytes(secret)
