"""The headers of a request, read once."""

from collections.abc import MutableMapping
from typing import Any

_PLACE = "quintant.headers"


def headers_of(scope: MutableMapping[str, Any]) -> dict[str, str]:
    """By lower-case name; one that came several times is joined as RFC 9110 says."""
    found: dict[str, str] | None = scope.get(_PLACE)
    if found is None:
        sent = scope["headers"]
        found = {name.decode("latin-1"): value.decode("latin-1") for name, value in sent}
        if len(found) != len(sent):
            found = _joined(sent)
        scope[_PLACE] = found
    return found


def _joined(sent: list[tuple[bytes, bytes]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for raw_name, raw_value in sent:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found
