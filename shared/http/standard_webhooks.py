"""Standard Webhooks 1.0, symmetric scheme v1: signing and verification as pure functions.

Svix, from which the standard comes, signs the same way under header names of its own.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal

from shared.kernel.errors import UnauthenticatedError

Reason = Literal["missing-header", "malformed", "version", "signature", "timestamp"]

ID = "webhook-id"
TIMESTAMP = "webhook-timestamp"
SIGNATURE = "webhook-signature"
TOLERANCE_SECONDS = 300

_NAMES, _SVIX = (ID, TIMESTAMP, SIGNATURE), ("svix-id", "svix-timestamp", "svix-signature")
"""Whose names count, the id alone decides: an unsigned id never stands beside another's signature."""
_PREFIX = "whsec_"
_NOBODY = (b"nobody knows this source",)
_REFUSED = "The webhook's signature does not fit."
_ID = re.compile(r"[\x21-\x2d\x2f-\x7e]+")
"""The standard forbids a full stop in an id: it would let id, time and body be cut apart anew."""
_SECONDS = re.compile(r"[0-9]{1,15}")
_V1 = re.compile(r"v1,[A-Za-z0-9+/]{43}=")


class NotGenuineError(UnauthenticatedError):
    """A delivery that is refused. The message is the same for every reason; the reason is for the operator alone."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(_REFUSED)
        self.reason = reason


def secret_bytes(secret: str) -> bytes:
    """The key inside `whsec_<base64>` (the prefix may be missing). ValueError when it is no base64 or empty."""
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        raise ValueError("a webhook secret is `whsec_` and base64 of 24 to 64 random bytes")
    return key


def sign(secret: bytes, message_id: str, timestamp: str, body: bytes) -> str:
    """One signature, `v1,<base64>`, over `{id}.{timestamp}.{body}`."""
    return _sign(secret, f"{message_id}.{timestamp}.".encode() + body).decode()


def _sign(secret: bytes, signed: bytes) -> bytes:
    return b"v1," + binascii.b2a_base64(hmac.digest(secret, signed, "sha256"), newline=False)


def signed_headers(secrets: Sequence[bytes], message_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """The three headers. During a rotation give the new and the old secret: the receiver takes either."""
    timestamp = str(int(at.timestamp()))
    signatures = " ".join(sign(secret, message_id, timestamp, body) for secret in secrets)
    return {ID: message_id, TIMESTAMP: timestamp, SIGNATURE: signatures}


def message_id(headers: Mapping[str, str]) -> str:
    """The id of a message; empty if there is none. Header names are lower-case."""
    return headers.get(ID if ID in headers else _SVIX[0], "")


def verify(secrets: Sequence[bytes], headers: Mapping[str, str], body: bytes, now: datetime) -> str:
    """The message id, if one of the signatures was made with one of the secrets within 300 s of `now`. Header names are
    lower-case.

    Otherwise NotGenuineError. Without secrets (an unknown source) it does the same work and refuses.
    """
    names = _NAMES if ID in headers else _SVIX
    identity, timestamp, signatures = [headers.get(name, "") for name in names]
    if not (identity and timestamp and signatures):
        raise NotGenuineError("missing-header")
    given = _v1_signatures(signatures)
    if not (_ID.fullmatch(identity) and _SECONDS.fullmatch(timestamp)):
        raise NotGenuineError("malformed")
    fits, signed = False, f"{identity}.{timestamp}.".encode() + body
    for secret in secrets or _NOBODY:
        expected = _sign(secret, signed)
        for signature in given:
            fits |= hmac.compare_digest(expected, signature)
    if not (fits and secrets):
        raise NotGenuineError("signature")
    if abs(now.timestamp() - int(timestamp)) > TOLERANCE_SECONDS:
        raise NotGenuineError("timestamp")
    return identity


def _v1_signatures(header: str) -> list[bytes]:
    """The signatures that this scheme reads. Other versions are passed over; a header that came twice is refused."""
    if _V1.fullmatch(header):
        return [header.encode()]
    entries = header.split(" ")
    if not all(version and text and not text.endswith(",") for version, _, text in (e.partition(",") for e in entries)):
        raise NotGenuineError("malformed")
    ours = [entry for entry in entries if entry.startswith("v1,")]
    if not ours:
        raise NotGenuineError("version")
    if not all(map(_V1.fullmatch, ours)):
        raise NotGenuineError("malformed")
    return [entry.encode() for entry in ours]
