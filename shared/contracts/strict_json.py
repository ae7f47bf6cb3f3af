"""JSON as it arrives from strangers: valid UTF-8, no key twice, no NaN, bounded nesting, numbers kept as written.

`parse` is the rule. `regular_object` reads the same in a fifth of the time what is beyond doubt, and nothing else.
"""

import json
import re
from typing import Any, NoReturn

import msgspec

from shared.kernel.errors import MalformedError, TooLargeError

MAX_DEPTH = 32
"""Objects and arrays inside each other, the outermost included."""

_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
"""Possessive, and the closing quote may be missing: linear in the length of the text, whatever is in it."""
_HALF = re.compile("[\ud800-\udfff]")
_NO_BRACKET = bytes(byte for byte in range(256) if byte not in b"[]{}")
_OF_ONE_KIND = bytes.maketrans(b"{}", b"[]")


_KEY_ENDS = (b'":', b" :", b"\t:", b"\n:", b"\r:")
"""What can stand before the colon of a member."""
_decode_object = msgspec.json.Decoder(dict[str, Any]).decode
_decode_objects = msgspec.json.Decoder(list[dict[str, Any]]).decode
_encode = msgspec.json.Encoder().encode


class Number(str):
    """A JSON number as it was written."""

    __slots__ = ()


def regular_object(body: bytes) -> dict[str, Any] | None:
    """What `parse` gives for an object, but with numbers as int and float. None: ask `parse`, it may refuse."""
    if body.count(b"{") + body.count(b"[") > MAX_DEPTH:
        return None
    try:
        members = _decode_object(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return members if _is_regular(body, members) else None


def regular_objects(body: bytes) -> list[dict[str, Any]] | None:
    """The same for an array of objects, how deep it nests left aside. None: some of them may be refused."""
    try:
        items = _decode_objects(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return items if _is_regular(body, items) else None


def _is_regular(body: bytes, value: dict[str, Any] | list[Any]) -> bool:
    # No key came twice if it comes out again as it went in. With blanks it does not: then every member has one such
    # colon, and strings may hold some more; as many as there are keys is as good.
    if _encode(value) != body and sum(map(body.count, _KEY_ENDS)) != _keys(value):
        return False
    return b"\\u" not in body or _is_storable(value)


def _keys(value: dict[str, Any] | list[Any]) -> int:
    found, items = (len(value), value.values()) if type(value) is dict else (0, value)
    for item in items:
        if type(item) is dict or type(item) is list:
            found += _keys(item)
    return found


def parse(body: bytes) -> object:
    """The value, with every number as `Number`. Raises MalformedError or TooLargeError."""
    check_depth(body)
    try:
        value: object = _decoder.decode(body.decode())
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
    brackets = _STRING.sub(b"", body).translate(_OF_ONE_KIND, _NO_BRACKET)
    for _ in range(MAX_DEPTH):  # each pass takes one level out
        brackets = brackets.replace(b"[]", b"")
    if b"[]" in brackets or brackets.count(b"[") > MAX_DEPTH:
        raise TooLargeError(f"The JSON nests deeper than {MAX_DEPTH} levels.")


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise MalformedError("An object says the same key twice.")
    return members


def _constant(name: str) -> NoReturn:
    raise MalformedError(f"{name} is no JSON number.")


_decoder = json.JSONDecoder(object_pairs_hook=_object, parse_int=Number, parse_float=Number, parse_constant=_constant)


def refuse_unstorable(value: object) -> None:
    """U+0000 cannot be stored and half a surrogate pair is no character; both can come only as escapes.

    Raises MalformedError.
    """
    if not _is_storable(value):
        raise MalformedError("A string holds U+0000 or half of a surrogate pair.")


def _is_storable(value: object) -> bool:
    if isinstance(value, dict):
        return all(_is_storable(key) and _is_storable(item) for key, item in value.items())
    if isinstance(value, list):
        return all(map(_is_storable, value))
    return not (isinstance(value, str) and ("\0" in value or _HALF.search(value)))


def dumped(value: object) -> bytes:
    """JSON of a parsed value, numbers again as they were written."""
    return msgspec.json.encode(_numbers_raw(value))


def _numbers_raw(value: object) -> object:
    if isinstance(value, Number):
        return msgspec.Raw(value.encode())
    if isinstance(value, dict):
        return {key: _numbers_raw(item) for key, item in value.items()}
    return [_numbers_raw(item) for item in value] if isinstance(value, list) else value
