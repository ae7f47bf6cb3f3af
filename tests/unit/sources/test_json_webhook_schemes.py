"""Each way of signing a JSON webhook: its own secret verifies, nothing else does."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.sources.adapter import Account, Delivery, Refusal
from services.ingest.sources.json_webhook.adapter import ADAPTER, JsonSettings
from services.ingest.sources.json_webhook.simulator import SIMULATOR
from services.ingest.sources.story import told
from tests.unit.sources.json_accounts import NOW

TIMED: dict[str, Any] = {"scheme": "hmac", "header": "X-Sig", "timestamp_header": "X-Time"}
SCHEMES: list[dict[str, Any]] = [
    {"scheme": "hmac", "header": "X-Hub-Signature-256", "prefix": "sha256="},
    {**TIMED, "algorithm": "sha512", "encoding": "base64", "signed": "{timestamp}.{body}"},
    {**TIMED, "algorithm": "sha1", "signed": "v0:{timestamp}:{body}:end", "timestamp_unit": "milliseconds"},
    {"scheme": "token", "header": "X-Token"},
    {"scheme": "token", "header": "Authorization", "prefix": "Bearer "},
    {"scheme": "basic"},
    {"scheme": "url"},
]
NAMES = st.sampled_from(["x-sig", "x-time", "x-hub-signature-256"])


@pytest.mark.parametrize("scheme", SCHEMES)
@given(secret=st.text(st.characters(codec="utf-8", min_codepoint=32), min_size=1, max_size=30), data=st.data())
def test_a_delivery_verifies_under_its_secret_and_no_other(
    scheme: dict[str, Any], secret: str, data: st.DataObject
) -> None:
    configured = Account("crm", (secret,), msgspec.convert({"verification": scheme}, JsonSettings))
    step = told("deals", seed=1, things=1, begin=NOW, span=timedelta(hours=1))[0]
    (signed,) = SIMULATOR.deliveries(step, configured, NOW)
    delivery = Delivery(signed.headers, signed.body, NOW, key=signed.path_key)
    assert ADAPTER.verify(delivery, configured) is None
    other = data.draw(st.text(max_size=30).filter(lambda text: text != secret))
    for secrets in ([], [other]):
        stranger = Account("crm", tuple(secrets), configured.settings)
        assert ADAPTER.verify(delivery, stranger) is Refusal.SIGNATURE
    for secrets in ([other, secret], [secret, other]):
        assert ADAPTER.verify(delivery, Account("crm", tuple(secrets), configured.settings)) is None


@pytest.mark.parametrize("scheme", SCHEMES[:3])
@given(body=st.binary(max_size=60), headers=st.dictionaries(NAMES, st.text(max_size=80)))
def test_no_forgery_verifies(scheme: dict[str, Any], body: bytes, headers: dict[str, str]) -> None:
    configured = Account("crm", ("secret",), msgspec.convert({"verification": scheme}, JsonSettings))
    assert ADAPTER.verify(Delivery(headers, body, NOW), configured) is not None
