"""The ways in which a JSON webhook may be signed, as its settings say."""

import re

from services.ingest.sources.adapter import Account, Delivery, Refusal
from services.ingest.sources.json_webhook.configuration import Basic, Hmac, InUrl, Scheme
from services.ingest.sources.json_webhook.fields import MappingError
from services.ingest.sources.signing import from_base64, from_hex, in_time, mac_fits, token_fits, whole_number

_PART = re.compile(r"\{([^{}]*)\}")
_PER_SECOND = {"seconds": 1, "milliseconds": 1000}


def check_scheme(scheme: Scheme) -> None:
    """Raises MappingError for an HMAC that signs no body, or a time that is not there."""
    if not isinstance(scheme, Hmac):
        return
    expected = ["body"] if scheme.timestamp_header is None else ["body", "timestamp"]
    if sorted(_PART.findall(scheme.signed)) != expected:
        raise MappingError(
            "verification: signed must hold {body} once, and {timestamp} once if there is a timestamp_header"
        )


def refusal(scheme: Scheme, delivery: Delivery, account: Account) -> Refusal | None:
    """None if the delivery is genuine. Without secrets it does the same work and refuses."""
    if isinstance(scheme, Hmac):
        return _hmac(scheme, delivery, account)
    if isinstance(scheme, InUrl):
        return _token(delivery.key, "", account)
    if isinstance(scheme, Basic):
        return _basic(delivery.headers.get("authorization", ""), account)
    return _token(delivery.headers.get(scheme.header.lower(), ""), scheme.prefix, account)


def _hmac(scheme: Hmac, delivery: Delivery, account: Account) -> Refusal | None:
    given = delivery.headers.get(scheme.header.lower(), "")
    timestamp = delivery.headers.get(scheme.timestamp_header.lower(), "") if scheme.timestamp_header else ""
    if not given or (scheme.timestamp_header and not timestamp):
        return Refusal.MISSING
    written = given.removeprefix(scheme.prefix)
    signature = from_hex(written) if scheme.encoding == "hex" else from_base64(written)
    count = whole_number(timestamp or "0")
    if not given.startswith(scheme.prefix) or signature is None or count is None:
        return Refusal.MALFORMED
    if not mac_fits(account.secrets, signed(scheme, timestamp, delivery.body), signature, scheme.algorithm):
        return Refusal.SIGNATURE
    fresh = not timestamp or in_time(count / _PER_SECOND[scheme.timestamp_unit], delivery.received_at)
    return None if fresh else Refusal.TIMESTAMP


def signed(scheme: Hmac, timestamp: str, body: bytes) -> bytes:
    """What the sender signs."""
    before, _, after = scheme.signed.replace("{timestamp}", timestamp).partition("{body}")
    return b"".join((before.encode(), body, after.encode()))


def _token(given: str, prefix: str, account: Account) -> Refusal | None:
    if not given:
        return Refusal.MISSING
    if not given.startswith(prefix):
        return Refusal.MALFORMED
    return None if token_fits(account.secrets, given.removeprefix(prefix)) else Refusal.SIGNATURE


def _basic(given: str, account: Account) -> Refusal | None:
    if not given:
        return Refusal.MISSING
    scheme, _, encoded = given.partition(" ")
    decoded = from_base64(encoded)
    if scheme.lower() != "basic" or not decoded:
        return Refusal.MALFORMED
    fits = token_fits(account.secrets, decoded.decode("utf-8", "surrogateescape"))
    return None if fits else Refusal.SIGNATURE
