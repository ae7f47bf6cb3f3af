"""What must not reach a log: secrets by key, and secrets or mail addresses inside any text, tracebacks included."""

import re
from collections.abc import Mapping, MutableMapping
from typing import Any

HIDDEN = "[hidden]"

_SECRET_WORDS = frozenset(
    {
        "authorization",
        "cookie",
        "credential",
        "credentials",
        "dsn",
        "key",
        "passphrase",
        "password",
        "passwd",
        "secret",
        "secrets",
        "signature",
        "token",
    }
)
_SECRET_NAMES = frozenset({"apikey", "database_url"})
_KEY_IS_NO_SECRET = frozenset({"partition_key", "entity_key", "record_key", "message_key", "sort_key"})
_WORD = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+")
_INSIDE: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(://)[^\s/@]+@"), rf"\1{HIDDEN}@"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]+"), rf"\1 {HIDDEN}"),
    (re.compile(r"whsec_[A-Za-z0-9+/=_-]+"), HIDDEN),
    (re.compile(r"(?i)\b((?:password|secret|signature|api[_-]?key)\s*[=:]\s*)[^\s,;&]+"), rf"\1{HIDDEN}"),
    # PostgreSQL repeats the row in DETAIL, pydantic the input: both may hold anything.
    (re.compile(r"(?m)^(\s*DETAIL:).*$"), rf"\1 {HIDDEN}"),
    (re.compile(r"(?m)input_value=.*?(?=, input_type=|\]|$)"), f"input_value={HIDDEN}"),
    (re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"), HIDDEN),
)


def is_secret_key(name: str) -> bool:
    """True of `Authorization`, `webhook-signature`, `apiKey`…; false of `monkey` and of keys that mean identity."""
    if name.lower() in _KEY_IS_NO_SECRET:
        return False
    if name.lower() in _SECRET_NAMES:
        return True
    return any(word.lower() in _SECRET_WORDS for word in _WORD.findall(name))


def scrub(text: str) -> str:
    """The text without passwords in URLs, bearer tokens, webhook secrets, row details and mail addresses."""
    for pattern, replacement in _INSIDE:
        text = pattern.sub(replacement, text)
    return text


def redact(value: Any) -> Any:
    """The same structure with secrets hidden; anything that is not a container or a text is kept."""
    match value:
        case str():
            return scrub(value)
        case Mapping():
            return {k: HIDDEN if isinstance(k, str) and is_secret_key(k) else redact(v) for k, v in value.items()}
        case list() | tuple() | set() | frozenset():
            return [redact(item) for item in value]
        case BaseException():
            return scrub(f"{type(value).__name__}: {value}")
        case _:
            return value


def redact_entry(_logger: object, _method: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The structlog processor; it comes after the traceback was made a text."""
    hidden: MutableMapping[str, Any] = redact(entry)
    return hidden
