"""Standard Webhooks 1.0, symmetric scheme v1: signing and verification as pure functions."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime

from shared.kernel.errors import UnauthenticatedError

ID = "webhook-id"
TIMESTAMP = "webhook-timestamp"
SIGNATURE = "webhook-signature"
TOLERANCE_SECONDS = 300

_PREFIX = "whsec_"
_LONGEST_TIMESTAMP = 15
_REFUSED = "The webhook's signature does not fit."


def secret_bytes(secret: str) -> bytes:
    """The key inside `whsec_<base64>` (the prefix may be missing). ValueError when it is no base64 or empty."""
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not key:
        raise ValueError("a webhook secret is `whsec_` and base64 of 24 to 64 random bytes")
    return key


def sign(secret: bytes, message_id: str, timestamp: str, body: bytes) -> str:
    """One signature, `v1,<base64>`, over `{id}.{timestamp}.{body}`."""
    signed = b".".join((message_id.encode(), timestamp.encode(), body))
    return "v1," + base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()


def signed_headers(secrets: Sequence[bytes], message_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """The three headers. During a rotation give the new and the old secret: the receiver takes either."""
    timestamp = str(int(at.timestamp()))
    signatures = " ".join(sign(secret, message_id, timestamp, body) for secret in secrets)
    return {ID: message_id, TIMESTAMP: timestamp, SIGNATURE: signatures}


def verify(secrets: Sequence[bytes], headers: Mapping[str, str], body: bytes, now: datetime) -> str:
    """The message id, if one of the signatures was made with one of the secrets within 300 s of `now`.

    Otherwise UnauthenticatedError, the same for every reason. Without secrets (an unknown source) it does the same
    work and refuses.
    """
    by_name = {name.lower(): value for name, value in headers.items()}
    message_id, timestamp = by_name.get(ID, ""), by_name.get(TIMESTAMP, "")
    given = [signature.encode() for signature in by_name.get(SIGNATURE, "").split(" ") if signature.startswith("v1,")]
    fits = False
    for secret in secrets or (b"nobody knows this source",):
        expected = sign(secret, message_id, timestamp, body).encode()
        for signature in given:
            fits |= hmac.compare_digest(expected, signature)
    # The standard forbids a full stop in an id: it would let id, time and body be cut apart anew.
    if not (fits and secrets and message_id and "." not in message_id and _in_time(timestamp, now)):
        raise UnauthenticatedError(_REFUSED)
    return message_id


def _in_time(timestamp: str, now: datetime) -> bool:
    if not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) <= _LONGEST_TIMESTAMP):
        return False
    return abs(now.timestamp() - int(timestamp)) <= TOLERANCE_SECONDS
