"""Reading mapping files: YAML to a checked mapping, or every fault with its line."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from importlib import resources

from services.ingest.imports.filters import AS_OF, Known
from services.ingest.imports.mapping import FileSpec, ImportMapping, Join
from services.ingest.imports.mapping_events import Room, read_doubt, read_expression, read_template
from services.ingest.imports.values import Kind
from services.ingest.imports.yaml_tree import Place, raise_all, read_all, read_members, read_name, read_tree
from shared.kernel.errors import NotFoundError

ENCODINGS = ("utf-8", "utf-16", "cp1252", "iso-8859-1", "gb18030")
DELIMITERS = {",": ",", ";": ";", "|": "|", "tab": "\t"}

_SOURCE = re.compile(r"/[A-Za-z0-9\-._~:/]{1,200}")
_PRESETS = resources.files("services.ingest.imports") / "presets"


def preset_names() -> list[str]:
    """The mappings that come with Quintant."""
    return sorted(entry.name.removesuffix(".yaml") for entry in _PRESETS.iterdir() if entry.name.endswith(".yaml"))


def load_preset(name: str) -> ImportMapping:
    """A mapping that comes with Quintant. Raises NotFoundError."""
    if name not in preset_names():
        raise NotFoundError(f"There is no such mapping; there are {', '.join(preset_names())}.")
    return read_mapping((_PRESETS / f"{name}.yaml").read_bytes())


def read_mapping(source: bytes) -> ImportMapping:
    """A mapping file. Raises InvalidMappingError with a fault for each thing wrong."""
    root = read_tree(source).section(
        required=("name", "source", "files"),
        optional=("title", "as_of", "constants", "maps", "corrections", "lookups", "details", "once"),
    )
    declared = _Declared.of(root)
    outside = Room(declared.known(()), {})
    once = read_all(root["once"].items() if "once" in root else (), lambda place: read_template(place, outside))
    mapping = ImportMapping(
        name=read_name(root["name"]),
        title=root["title"].text() if "title" in root else root["name"].text(),
        source=_source(root["source"]),
        as_of=_as_of(root["as_of"]) if "as_of" in root else None,
        constants=declared.constants,
        maps=declared.maps,
        corrections=declared.corrections,
        lookups=declared.joins(root.get("lookups")),
        details=declared.joins(root.get("details")),
        once=tuple(once),
        files=read_members(declared.files, lambda name, place: _file(name, place, declared)),
        digest=hashlib.sha256(source).hexdigest(),
    )
    _check_parts(mapping, root["files"])
    return mapping


@dataclass(frozen=True, slots=True)
class _Declared:
    """What the parts of a mapping refer to by name."""

    constants: Mapping[str, str]
    maps: Mapping[str, Mapping[str, str]]
    corrections: Mapping[str, Mapping[str, str]]
    files: Mapping[str, Place]
    columns: Mapping[str, tuple[str, ...]]
    lookup_columns: Mapping[str, frozenset[str]]
    detail_files: Mapping[str, str]

    @classmethod
    def of(cls, root: Mapping[str, Place]) -> "_Declared":
        files = root["files"].named()
        columns = read_members(files, lambda _name, place: _columns(place))
        lookups = _joined_files(root.get("lookups"), columns)
        constants = _constants(root["constants"]) if "constants" in root else {}
        return cls(
            constants={**constants, "source": root["source"].text()},
            maps=_tables(root.get("maps")),
            corrections=_tables(root.get("corrections")),
            files=files,
            columns=columns,
            lookup_columns={name: frozenset(columns[file]) for name, file in lookups.items()},
            detail_files=_joined_files(root.get("details"), columns),
        )

    def known(self, columns: tuple[str, ...]) -> Known:
        """The names for expressions on rows with these columns."""
        return Known(
            frozenset(columns), self.constants, frozenset(self.maps), frozenset(self.corrections), self.lookup_columns
        )

    def room(self, file: str) -> Room:
        """The names for templates on rows of a file."""
        details = {name: self.known(self.columns[other]) for name, other in self.detail_files.items()}
        return Room(self.known(self.columns[file]), details)

    def joins(self, place: Place | None) -> dict[str, Join]:
        return {} if place is None else read_members(place.named(), self._join)

    def _join(self, _name: str, place: Place) -> Join:
        members = place.section(required=("file", "key"))
        file = members["file"].text()
        known = replace(self.known(self.columns[file]), lookups={})  # joined rows are read before any lookup is there
        return Join(file, read_expression(members["key"], known, (Kind.TEXT,)))


def _file(name: str, place: Place, declared: _Declared) -> FileSpec:
    members = place.section(
        required=("name", "columns"),
        optional=("encoding", "delimiter", "sheet", "optional_columns", "key", "required", "events", "warnings"),
    )
    room = declared.room(name)
    events, doubts = (members[key].items() if key in members else [] for key in ("events", "warnings"))
    spec = FileSpec(
        pattern=members["name"].text(),
        encoding=_choice(members.get("encoding"), dict.fromkeys(ENCODINGS, ""), "utf-8"),
        delimiter=DELIMITERS[_choice(members.get("delimiter"), DELIMITERS, ",")],
        sheet=members["sheet"].text() if "sheet" in members else None,
        columns=_list(members.get("columns")),
        optional_columns=_list(members.get("optional_columns")),
        key=_list(members.get("key")),
        required="required" not in members or members["required"].truth(),
        events=tuple(read_all(events, lambda one: read_template(one, room))),
        doubts=tuple(read_all(doubts, lambda one: read_doubt(one, room))),
    )
    if spec.events and not spec.key:
        raise place.fault("needs a key: the columns that tell its rows apart")
    if not spec.all_columns.issuperset(spec.key):
        raise members["key"].fault("names a column that is not declared")
    return spec


def _columns(place: Place) -> tuple[str, ...]:
    members = place.members()
    names = [one for key in ("columns", "optional_columns") if key in members for one in members[key].items()]
    texts = read_all(names, Place.text)
    twice = [place.fault("is said twice") for place in names if texts.count(place.text()) > 1]
    raise_all(twice)
    return tuple(texts)


def _joined_files(place: Place | None, columns: Mapping[str, object]) -> dict[str, str]:
    """Join → file."""

    def file_of(_name: str, join: Place) -> str:
        file = join.section(required=("file", "key"))["file"]
        if file.text() not in columns:
            raise file.fault(f"must be one of the names under files: {', '.join(columns)}")
        return file.text()

    return {} if place is None else read_members(place.named(), file_of)


def _constants(place: Place) -> dict[str, str]:
    members = place.named()
    taken = [
        members[name].fault("is a name with a meaning of its own") for name in ("source", AS_OF) if name in members
    ]
    raise_all(taken)
    return _texts(place)


def _texts(place: Place) -> dict[str, str]:
    return read_members(place.members(), lambda _name, one: one.text())


def _tables(place: Place | None) -> dict[str, dict[str, str]]:
    return {} if place is None else read_members(place.named(), lambda _name, table: _texts(table))


def _list(place: Place | None) -> tuple[str, ...]:
    return () if place is None else tuple(read_all(place.one_or_more(), Place.text))


def _choice(place: Place | None, choices: Mapping[str, str], default: str) -> str:
    if place is None:
        return default
    if place.text() not in choices:
        raise place.fault(f"must be one of {' '.join(choices)}")
    return place.text()


def _source(place: Place) -> str:
    if not _SOURCE.fullmatch(place.text()):
        raise place.fault("must be a path such as /import/my-crm")
    return place.text()


def _as_of(place: Place) -> date | datetime:
    text = place.text()
    try:
        if len(text) == len("2026-03-31"):
            return date.fromisoformat(text)
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise place.fault("must be a date, or a time with an offset such as 2026-03-31T18:00:00+08:00") from None
    if instant.tzinfo is None:
        raise place.fault("needs an offset from UTC, such as 2026-03-31T18:00:00+08:00")
    return instant.astimezone(UTC)


def _check_parts(mapping: ImportMapping, place: Place) -> None:
    """Event ids are made of the part, the id and the as-of instant: two templates must not share a part."""
    templates = [*mapping.once, *(template for spec in mapping.files.values() for template in spec.events)]
    parts = [template.part for template in templates]
    twice = sorted({part for part in parts if parts.count(part) > 1})
    if twice:
        raise place.fault(f"has two templates for {', '.join(twice)}: give one of them another part")
