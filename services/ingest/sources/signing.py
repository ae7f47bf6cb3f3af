"""Signatures and tokens, compared in constant time against every live secret."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Literal

Algorithm = Literal["sha1", "sha256", "sha512"]
TOLERANCE_SECONDS = 300
_NOBODY = ("nobody knows this source",)
_LONGEST_NUMBER = 15


def mac_fits(secrets: Sequence[str], signed: bytes, given: bytes, algorithm: Algorithm = "sha256") -> bool:
    """Whether `given` is the HMAC of `signed` under one of the secrets. Does the same work without any secret."""
    return fits(secrets, given, lambda secret: hmac.digest(secret.encode(), signed, algorithm))


def fits(secrets: Sequence[str], given: bytes, expected: Callable[[str], bytes]) -> bool:
    """Whether `given` is what is expected under one of the secrets. Looks at all of them, whichever fits."""
    found = False
    for secret in secrets or _NOBODY:
        found |= hmac.compare_digest(expected(secret), given)
    return found and bool(secrets)


def token_fits(secrets: Sequence[str], given: str) -> bool:
    """Whether a token that is sent as it is equals one of the secrets; time tells neither its length nor its text."""
    return fits(secrets, _digest(given), _digest)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def from_hex(text: str) -> bytes | None:
    """The bytes of lower- or upper-case hexadecimal; None if it is none."""
    try:
        return binascii.unhexlify(text)
    except (ValueError, binascii.Error):
        return None


def from_base64(text: str) -> bytes | None:
    """The bytes of canonical, padded base64; None for anything else, so that no signature has two spellings."""
    try:
        decoded = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return None
    return decoded if base64.b64encode(decoded).decode() == text else None


def whole_number(text: str) -> int | None:
    """Up to 15 ASCII digits without sign or blank; None for anything else."""
    fine = text.isascii() and text.isdecimal() and len(text) <= _LONGEST_NUMBER
    return int(text) if fine else None


def in_time(seconds: float, now: datetime, tolerance: float = TOLERANCE_SECONDS) -> bool:
    """Whether Unix `seconds` lie within the replay window around `now`."""
    return abs(now.timestamp() - seconds) <= tolerance
