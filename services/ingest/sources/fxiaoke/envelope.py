"""The envelope around Fxiaoke's notices: signed with SHA-1, its content AES-256-CBC with an IV taken from the key.

Both are as weak as they look, and the signature joins its parts without separators: so what a notice says, its own
identity included, is read from the encrypted content alone.
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from hmac import compare_digest

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7

from services.ingest.sources.adapter import Refusal
from services.ingest.sources.payload import read_object
from services.ingest.sources.signing import fits, from_base64, from_hex, whole_number
from shared.kernel.errors import MalformedError, QuintantError

_SIGNATURE_BYTES = 20
_TIMESTAMP_DIGITS = 13
_BLOCK_BITS = 128
_KEY_BYTES = 32
_NEEDED = ("signature", "timestamp", "nonce", "messageId", "enterpriseAccount", "encryptedContent")


@dataclass(frozen=True, slots=True)
class Envelope:
    """One delivery, its form checked."""

    signature: bytes = field(repr=False)
    signed: bytes = field(repr=False)
    """All that is signed, but for the key at its end."""
    sent_at_ms: int
    """Of this attempt."""
    enterprise_account: str
    content: bytes = field(repr=False)

    def is_genuine(self, secrets: Sequence[str]) -> bool:
        """Whether it was signed with one of the keys (as their base64 text)."""
        return fits(secrets, self.signature, self._expected)

    def key(self, secrets: Sequence[str]) -> str | None:
        """The key with which it was signed."""
        return next((one for one in secrets if compare_digest(self._expected(one), self.signature)), None)

    def opened(self, secrets: Sequence[str]) -> bytes:
        """The content in plain. Raises MalformedError."""
        key = self.key(secrets)
        if key is None:
            raise MalformedError("The notice was encrypted with a key that this source no longer has.")
        return _decrypted(self.content, key)

    def _expected(self, secret: str) -> bytes:
        return _sha1(self.signed + secret.encode())


def envelope(body: bytes) -> Envelope | Refusal:
    """The envelope in a request body, or what is wrong with it."""
    try:
        said = read_object(body)
    except QuintantError:
        return Refusal.MALFORMED
    if any(said.get(name) in (None, "") for name in _NEEDED):
        return Refusal.MISSING
    retries = said.get("retryTimes")
    parts = [said[name] for name in _NEEDED[1:]]
    if retries is not None:
        parts.insert(3, retries)
    if not all(isinstance(part, str) for part in parts):
        return Refusal.MALFORMED
    signature = from_hex(said["signature"]) if isinstance(said["signature"], str) else None
    content = from_base64(parts[-1])
    sent_at_ms = whole_number(parts[0]) if len(parts[0]) == _TIMESTAMP_DIGITS else None
    counted = retries is None or whole_number(retries) is not None
    if signature is None or len(signature) != _SIGNATURE_BYTES or content is None or sent_at_ms is None or not counted:
        return Refusal.MALFORMED
    return Envelope(signature, "".join(parts).encode(), sent_at_ms, parts[-2], content)


def signature(secret: str, *parts: str) -> str:
    """The signature of these parts, in their order."""
    return _sha1("".join(parts).encode() + secret.encode()).hex()


def encrypted(plain: bytes, secret: str) -> str:
    """As base64. Raises MalformedError if the secret is no AES key."""
    padder, encryptor = PKCS7(_BLOCK_BITS).padder(), _cipher(secret).encryptor()
    padded = padder.update(plain) + padder.finalize()
    return base64.b64encode(encryptor.update(padded) + encryptor.finalize()).decode()


def secret_fault(secret: str) -> str | None:
    """Why this is no AES key of Fxiaoke's scheme."""
    key = from_base64(secret)
    return None if key is not None and len(key) == _KEY_BYTES else "must be the aesKey: base64 of 32 bytes"


def _decrypted(content: bytes, secret: str) -> bytes:
    decryptor, unpadder = _cipher(secret).decryptor(), PKCS7(_BLOCK_BITS).unpadder()
    try:
        padded = decryptor.update(content) + decryptor.finalize()
        return unpadder.update(padded) + unpadder.finalize()
    except ValueError:
        raise MalformedError("The notice's content cannot be decrypted.") from None


def _cipher(secret: str) -> Cipher[CBC]:
    key = from_base64(secret)
    if key is None or len(key) != _KEY_BYTES:
        raise MalformedError("The AES key (aesKey) of this source is not the base64 of 32 bytes.")
    return Cipher(AES(key), CBC(key[:16]))


def _sha1(text: bytes) -> bytes:
    return hashlib.sha1(text, usedforsecurity=False).digest()
