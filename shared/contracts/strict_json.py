"""JSON as it arrives from strangers: valid UTF-8, no key twice, no NaN, bounded nesting, numbers kept as written."""

import json
import re
from typing import NoReturn

import msgspec

from shared.kernel.errors import MalformedError, TooLargeError

MAX_DEPTH = 32
"""Objects and arrays inside each other, the outermost included."""

_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
"""Possessive, and the closing quote may be missing: linear in the length of the text, whatever is in it."""
_NO_BRACKET = bytes(byte for byte in range(256) if byte not in b"[]{}")


class Number(str):
    """A JSON number as it was written."""

    __slots__ = ()


def parse(body: bytes) -> object:
    """The value, with every number as `Number`. Raises MalformedError or TooLargeError."""
    check_depth(body)
    try:
        value: object = json.loads(
            body.decode(), object_pairs_hook=_object, parse_int=Number, parse_float=Number, parse_constant=_constant
        )
    except UnicodeDecodeError as error:
        raise MalformedError(f"The text is not UTF-8 (byte {error.start}).") from None
    except json.JSONDecodeError as error:
        raise MalformedError(f"The text is not JSON: {error.msg} (character {error.pos}).") from None
    if b"\\u" in body:
        refuse_unstorable(value)
    return value


def check_depth(body: bytes) -> None:
    """Raises TooLargeError if the text nests deeper than MAX_DEPTH; cheap, and done before any recursive parser."""
    if body.count(b"{") + body.count(b"[") <= MAX_DEPTH:
        return
    brackets = _STRING.sub(b"", body).translate(None, _NO_BRACKET)
    for _ in range(MAX_DEPTH):
        brackets = brackets.replace(b"{}", b"").replace(b"[]", b"")
    still_nested = b"{}" in brackets or b"[]" in brackets
    if still_nested or brackets.count(b"{") + brackets.count(b"[") > MAX_DEPTH:
        raise TooLargeError(f"The JSON nests deeper than {MAX_DEPTH} levels.")


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise MalformedError("An object says the same key twice.")
    return members


def _constant(name: str) -> NoReturn:
    raise MalformedError(f"{name} is no JSON number.")


def refuse_unstorable(value: object) -> None:
    """U+0000 cannot be stored and half a surrogate pair is no character; both can come only as escapes.

    Raises MalformedError.
    """
    if isinstance(value, dict):
        for key, item in value.items():
            refuse_unstorable(key)
            refuse_unstorable(item)
    elif isinstance(value, list):
        for item in value:
            refuse_unstorable(item)
    elif isinstance(value, str) and ("\0" in value or any("\ud800" <= char <= "\udfff" for char in value)):
        raise MalformedError("A string holds U+0000 or half of a surrogate pair.")


def dumped(value: object) -> bytes:
    """JSON of a parsed value, numbers again as they were written."""
    return msgspec.json.encode(_numbers_raw(value))


def _numbers_raw(value: object) -> object:
    if isinstance(value, Number):
        return msgspec.Raw(value.encode())
    if isinstance(value, dict):
        return {key: _numbers_raw(item) for key, item in value.items()}
    return [_numbers_raw(item) for item in value] if isinstance(value, list) else value
