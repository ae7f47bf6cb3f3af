"""What is wrong with a value, fault by fault, each at its JSON pointer and none repeating the refused value."""

from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

import msgspec

from shared.contracts.shape import Shape
from shared.contracts.strict_json import dumped
from shared.kernel.errors import Fault

_PATH = " - at "
_LONGEST_KEY = 255


def check_values(shape: Shape, value: Any) -> list[Fault]:
    """Run the checks of a value whose types are right: limits, ids, currencies, years. On the hot path."""
    faults: list[Fault] = []
    if value is None:
        return faults
    if shape.check is not None and (reason := shape.check(value)):
        faults.append(Fault("", reason))
    if checks := shape.checks:
        for name, item in value.items():
            inner = checks.get(name)
            if inner is None or item is None:
                continue
            if (check := inner.check) is not None:
                if reason := check(item):
                    faults.append(Fault(f"/{name}", reason))
            elif below := check_values(inner, item):
                faults += _under(name, below)
    if shape.checked_map is not None:
        faults += _check_entries(*shape.checked_map, value)
    return faults


def _check_entries(key_shape: Shape, entry: Shape, value: Any) -> list[Fault]:
    faults: list[Fault] = []
    check_key = key_shape.check
    for key, item in value.items():
        if check_key is not None and (reason := check_key(key)):
            faults += _under(key, [Fault("", reason)])
        if below := check_values(entry, item):
            faults += _under(key, below)
    return faults


def _under(key: str, faults: list[Fault]) -> list[Fault]:
    return [Fault(f"/{escaped(key)}{one.where}", one.reason) for one in faults]


def explain(shape: Shape, value: Any, pointer: str = "") -> Iterator[Fault]:
    """Everything that is wrong with a parsed value, wrong types included. For refusals only: it is slow."""
    if value is None:
        if not shape.nullable:
            yield Fault(pointer, "must not be null")
    elif shape.is_struct:
        yield from _explain_struct(shape, value, pointer)
    elif shape.key is not None and shape.entry is not None:
        yield from _explain_map(shape.key, shape.entry, value, pointer)
    else:
        reason = _type_reason(shape, value) or (shape.check(value) if shape.check else None)
        if reason:
            yield Fault(pointer, reason)


def _explain_struct(shape: Shape, value: Any, pointer: str) -> Iterator[Fault]:
    if not isinstance(value, dict):
        yield Fault(pointer, "must be an object")
        return
    for name in sorted(shape.required - value.keys()):
        yield Fault(f"{pointer}/{name}", "is required")
    for name, item in value.items():
        where = f"{pointer}/{escaped(name)}"
        if name in shape.fields:
            yield from explain(shape.fields[name], item, where)
        else:
            yield Fault(where, "unknown field")


def _explain_map(key_shape: Shape, entry: Shape, value: Any, pointer: str) -> Iterator[Fault]:
    if not isinstance(value, dict):
        yield Fault(pointer, "must be an object whose keys are the ids of its entries")
        return
    for key, item in value.items():
        where = f"{pointer}/{escaped(key)}"
        yield from explain(key_shape, key, where)
        yield from explain(entry, item, where)


def _type_reason(shape: Shape, value: Any) -> str | None:
    try:
        msgspec.json.decode(dumped(value), type=shape.type)
    except msgspec.ValidationError as error:
        return _worded(shape, str(error).partition(_PATH)[0])
    return None


def _worded(shape: Shape, message: str) -> str:
    if get_origin(shape.type) is Literal:
        return "must be one of " + ", ".join(map(str, get_args(shape.type)))
    if "timezone" in message:
        return "needs an offset from UTC, such as 2026-03-31T09:00:00+08:00"
    if message.startswith("Invalid RFC3339"):
        return f"must be a {message.rpartition(' ')[2]} as in RFC 3339"
    if shape.check is not None and (message.startswith("Invalid decimal") or "`decimal`" in message):
        return str(shape.check(""))
    expected = message.removeprefix("Expected ").partition(", got")[0]
    for name, words in _WORDS.items():
        expected = expected.replace(f"`{name}`", words)
    return f"must be {expected}"


_WORDS = {
    "str": "a string",
    "int": "a whole number",
    "bool": "true or false",
    "date": "a date such as 2026-03-31",
    "datetime": "an RFC 3339 time such as 2026-03-31T09:00:00+08:00",
    "bool | int | str": "a string, a whole number, true or false",
}


def escaped(key: str) -> str:
    """A key as one token of a JSON pointer (RFC 6901), cut where no id could be longer."""
    return key[:_LONGEST_KEY].replace("~", "~0").replace("/", "~1")
