"""Makes up the secrets that are typed into a vendor's form, in the form in which its adapter reads them."""

import base64
import secrets

_STANDARD_WEBHOOKS = "standard-webhooks"
_BYTES = 32


def make_up(adapter: str) -> str:
    """256 random bits. Standard Webhooks wants base64 behind `whsec_`; elsewhere letters, digits, `-` and `_`."""
    if adapter == _STANDARD_WEBHOOKS:
        return f"whsec_{base64.b64encode(secrets.token_bytes(_BYTES)).decode()}"
    return secrets.token_urlsafe(_BYTES)
