"""YAML as mapping files need it: places with line numbers, every scalar as it was written, no aliases, no tags.

`NO`, `007` and `2016-10-01` stay what the author typed: what a scalar means is decided by where it stands.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import yaml

from shared.kernel.errors import Fault, InvalidInputError

MAX_BYTES = 256 * 1024
_DEEPEST = 16

_NAME_REASON = "must be a name of small letters, digits, _ and -, the first a letter"
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")

T = TypeVar("T")


class InvalidMappingError(InvalidInputError):
    """A mapping file that says something impossible; each fault names the line and the place."""

    slug = "invalid-mapping"


@dataclass(frozen=True, slots=True)
class Place:
    """One value of the file, and where it stands."""

    node: yaml.Node
    path: str

    def fault(self, reason: str) -> InvalidMappingError:
        """An error that names this place."""
        line = self.node.start_mark.line + 1
        where = f"line {line}: {self.path}" if self.path else f"line {line}"
        return InvalidMappingError("This mapping cannot be used.", faults=[Fault(where, reason)])

    @property
    def is_text(self) -> bool:
        return isinstance(self.node, yaml.ScalarNode)

    def text(self) -> str:
        """The scalar as written, not empty. Raises InvalidMappingError."""
        if not isinstance(self.node, yaml.ScalarNode):
            raise self.fault("must be a single value")
        if not str(self.node.value).strip():
            raise self.fault("must not be empty")
        return str(self.node.value)

    def truth(self) -> bool:
        """`true` or `false`."""
        if self.text() not in ("true", "false"):
            raise self.fault("must be true or false")
        return self.text() == "true"

    def items(self) -> "list[Place]":
        """The entries of a list."""
        if not isinstance(self.node, yaml.SequenceNode):
            raise self.fault("must be a list")
        return [Place(node, f"{self.path}[{place}]") for place, node in enumerate(self.node.value)]

    def one_or_more(self) -> "list[Place]":
        """The entries of a list; a single value is a list of one."""
        return [self] if self.is_text else self.items()

    def members(self) -> "dict[str, Place]":
        """The members of an object. Raises InvalidMappingError for a key said twice."""
        if not isinstance(self.node, yaml.MappingNode):
            raise self.fault("must be an object of `name: value`")
        found: dict[str, Place] = {}
        for key, node in self.node.value:
            name = Place(key, self.path).text()
            place = Place(node, f"{self.path}.{name}".lstrip("."))
            if name in found:
                raise place.fault("is said twice")
            found[name] = place
        return found

    def named(self) -> "dict[str, Place]":
        """The members of an object whose keys are names that other places use."""
        members = self.members()
        wrong = [place.fault(_NAME_REASON) for name, place in members.items() if not _NAME.fullmatch(name)]
        raise_all(wrong)
        return members

    def section(self, *, required: Iterable[str] = (), optional: Iterable[str] = ()) -> "dict[str, Place]":
        """The members of an object with a closed list of keys."""
        members = self.members()
        known = [*required, *optional]
        unknown = [
            members[name].fault(f"is not known here; there are {', '.join(known)}") for name in members.keys() - known
        ]
        missing = [self.fault(f"{name} is missing") for name in required if name not in members]
        raise_all([*unknown, *missing])
        return members


def read_tree(source: bytes) -> Place:
    """The root of a YAML text. Raises InvalidMappingError."""
    try:
        text = source.decode("utf-8-sig")
        _check_events(text)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except UnicodeDecodeError:
        raise InvalidMappingError("A mapping is a YAML text in UTF-8.") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        fault = Fault(f"line {line}", f"is no YAML: {error.problem}")
        raise InvalidMappingError("This mapping cannot be read.", faults=[fault]) from None
    except yaml.YAMLError:
        raise InvalidMappingError("A mapping is a YAML text of printable characters.") from None
    if node is None:
        raise InvalidMappingError("This mapping is empty.")
    return Place(node, "")


def _check_events(text: str) -> None:
    """Before anything recursive reads it: bounded depth, and nothing that means more than it says."""
    if len(text) > MAX_BYTES:
        raise InvalidMappingError(f"A mapping is at most {MAX_BYTES} characters long.")
    depth, line = 0, ""
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        line = f"line {event.start_mark.line + 1}" if event.start_mark else line
        if depth > _DEEPEST:
            raise InvalidMappingError("This mapping nests too deeply.", faults=[Fault(line, "nests too deeply")])
        is_special = isinstance(event, yaml.NodeEvent) and event.anchor is not None
        if is_special or (isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) and event.tag is not None):
            raise InvalidMappingError(
                "A mapping has no anchors and no tags.", faults=[Fault(line, "is an anchor or a tag")]
            )


def read_all(places: Iterable[Place], read: Callable[[Place], T]) -> list[T]:
    """Read each place; what is wrong with any of them is told together."""
    return list(read_members({str(at): place for at, place in enumerate(places)}, lambda _at, one: read(one)).values())


def read_members(members: Mapping[str, Place], read: Callable[[str, Place], T]) -> dict[str, T]:
    """As `read_all`, for the members of an object."""
    errors: list[InvalidMappingError] = []
    found: dict[str, T] = {}
    for name, place in members.items():
        try:
            found[name] = read(name, place)
        except InvalidMappingError as error:
            errors.append(error)
    raise_all(errors)
    return found


def raise_all(errors: Iterable[InvalidMappingError]) -> None:
    """One error with the faults of all; nothing if there is none."""
    faults = [fault for error in errors for fault in error.faults]
    if faults:
        raise InvalidMappingError("This mapping cannot be used.", faults=faults)


def read_name(place: Place) -> str:
    """A name that other places of the mapping use."""
    if not _NAME.fullmatch(place.text()):
        raise place.fault(_NAME_REASON)
    return place.text()
