"""Signatures: exactly one secret fits, every spelling is read in one way, and nothing is accepted without a secret."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.sources.signing import (
    Algorithm,
    fits,
    from_base64,
    from_hex,
    in_time,
    mac_fits,
    token_fits,
    whole_number,
)

SECRETS = st.text(min_size=1, max_size=40)
NOW = datetime(2026, 11, 24, 15, 12, tzinfo=UTC)
AGREED = "nobody knows this source"


@given(SECRETS, st.binary(max_size=100), st.sampled_from(["sha1", "sha256", "sha512"]))
def test_a_mac_fits_under_its_secret_wherever_it_stands(secret: str, signed: bytes, algorithm: Algorithm) -> None:
    given_mac = hmac.new(secret.encode(), signed, getattr(hashlib, algorithm)).digest()
    for secrets in ([secret], ["other", secret], [secret, "other"]):
        assert mac_fits(secrets, signed, given_mac, algorithm)


@given(SECRETS, SECRETS, st.binary(max_size=60), st.binary(max_size=60), st.binary(max_size=40))
def test_no_other_mac_fits(secret: str, other: str, signed: bytes, changed: bytes, noise: bytes) -> None:
    good = hmac.digest(secret.encode(), signed, "sha256")
    if changed != signed:
        assert not mac_fits([secret], changed, good)
    if hmac.digest(other.encode(), signed, "sha256") != good:
        assert not mac_fits([other], signed, good)
    assert mac_fits([secret], signed, noise) == (noise == good)
    assert not mac_fits([secret], signed, hmac.digest(secret.encode(), signed, "sha1"), "sha256")


@pytest.mark.parametrize("secrets", [[], ()])
def test_without_a_secret_nothing_fits_not_even_what_the_dummy_signs(secrets: list[str]) -> None:
    assert not mac_fits(secrets, b"body", hmac.digest(AGREED.encode(), b"body", "sha256"))
    assert not token_fits(secrets, AGREED)
    assert not token_fits(secrets, "")


@given(st.lists(SECRETS, max_size=3))
def test_every_secret_is_looked_at_also_after_one_that_fits(secrets: list[str]) -> None:
    seen: list[str] = []

    def expected(secret: str) -> bytes:
        seen.append(secret)
        return b"same"

    assert fits(secrets, b"same", expected) == bool(secrets)
    assert len(seen) == max(1, len(secrets))


@given(st.text(st.characters(codec=None), max_size=30), st.text(st.characters(codec=None), max_size=30))
def test_a_token_fits_only_itself(secret: str, given_token: str) -> None:
    assert token_fits([secret], given_token) == (secret == given_token)
    assert token_fits(["x", secret], secret)


@given(st.text(max_size=50) | st.binary(max_size=30).map(lambda raw: base64.b64encode(raw).decode()))
def test_base64_has_one_spelling(text: str) -> None:
    decoded = from_base64(text)
    assert decoded is None or base64.b64encode(decoded).decode() == text


@pytest.mark.parametrize(
    "text",
    ["YQ", "YQ=", "YR==", "YQ==\n", " YQ==", "Y Q==", "YQ==, YQ==", "YQ=========", "é", "_-==", "\ud800"],
)
def test_loose_base64_is_none(text: str) -> None:
    assert from_base64(text) is None


@given(st.binary(max_size=30))
def test_hexadecimal_in_either_case(raw: bytes) -> None:
    assert from_hex(raw.hex()) == from_hex(raw.hex().upper()) == raw


@pytest.mark.parametrize("text", ["0", "zz", "0x61", " 61", "61\n", "６１", "61, 61", "\ud800"])
def test_what_is_no_hexadecimal(text: str) -> None:
    assert from_hex(text) is None


@given(st.integers(0, 10**15 - 1))
def test_whole_numbers(number: int) -> None:
    assert whole_number(str(number)) == number


@pytest.mark.parametrize("text", ["", " 1", "1 ", "+1", "-1", "1.0", "1e3", "１", "²", "1" * 16, "0x1", "1_0", "1, 1"])
def test_what_is_no_whole_number(text: str) -> None:
    assert whole_number(text) is None


@given(st.integers(-1000, 1000))
def test_the_replay_window_is_closed_on_both_ends(away: int) -> None:
    assert in_time(NOW.timestamp(), NOW + timedelta(seconds=away)) == (abs(away) <= 300)
