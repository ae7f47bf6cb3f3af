"""HubSpot's three signatures. Only v3 signs a time; v1 and v2 hash a secret in front of the text, so that who sees one
can prolong it: they count only where a person switched them on."""

import hashlib
import re
from collections.abc import Mapping

from services.ingest.sources.adapter import Account, Delivery, Refusal
from services.ingest.sources.signing import fits, from_base64, from_hex, in_time, mac_fits, whole_number

_DECODED: Mapping[str, str] = {
    "%3A": ":",
    "%2F": "/",
    "%3F": "?",
    "%40": "@",
    "%21": "!",
    "%24": "$",
    "%27": "'",
    "%28": "(",
    "%29": ")",
    "%2A": "*",
    "%2C": ",",
    "%3B": ";",
}
"""What the documentation asks to decode in the URI, and nothing else."""
_ENCODED = re.compile("|".join(_DECODED), re.IGNORECASE)


def verify(delivery: Delivery, account: Account) -> Refusal | None:
    """By v3 if it is there or nothing is; an older one never stands in for a v3 that does not fit."""
    older = delivery.headers.get("x-hubspot-signature", "")
    newest = delivery.headers.get("x-hubspot-signature-v3", "")
    return _older(delivery, account, older) if older and not newest else _v3(delivery, account, newest)


def _v3(delivery: Delivery, account: Account, given: str) -> Refusal | None:
    stamp = delivery.headers.get("x-hubspot-request-timestamp", "")
    signature, millis = from_base64(given), whole_number(stamp)
    uri = _uri(delivery, account)
    genuine = False
    # The documentation decodes some characters of the URI, the vendor's own libraries do not: either is genuine.
    for spelling in (uri, _ENCODED.sub(lambda found: _DECODED[found[0].upper()], uri)):
        signed = _text(delivery.method + spelling) + delivery.body + _text(stamp)
        genuine |= mac_fits(account.secrets, signed, signature or b"")
    if not given or not stamp:
        return Refusal.MISSING
    if signature is None or millis is None:
        return Refusal.MALFORMED
    if not genuine:
        return Refusal.SIGNATURE
    return None if in_time(millis / 1000, delivery.received_at) else Refusal.TIMESTAMP


def _older(delivery: Delivery, account: Account, given: str) -> Refusal | None:
    version, settings = delivery.headers.get("x-hubspot-signature-version", ""), account.settings
    signed = delivery.body
    if version == "v2":
        signed = _text(delivery.method + _uri(delivery, account)) + delivery.body
    signature = from_hex(given)
    genuine = fits(account.secrets, signature or b"", lambda secret: hashlib.sha256(secret.encode() + signed).digest())
    if not (version == "v1" and settings.accept_v1) and not (version == "v2" and settings.accept_v2):
        return Refusal.VERSION
    if signature is None:
        return Refusal.MALFORMED
    return None if genuine else Refusal.SIGNATURE


def _uri(delivery: Delivery, account: Account) -> str:
    target: str = account.settings.target_url
    return target or delivery.url


def _text(part: str) -> bytes:
    return part.encode("utf-8", "surrogateescape")
