"""From files that nobody described to a mapping: a YAML text in the same language that people write."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any, BinaryIO

import yaml

from services.ingest.imports.formats.records import Limits, UnreadableError
from services.ingest.imports.formats.uploads import Format, Upload
from services.ingest.imports.guess.cells import Shared
from services.ingest.imports.guess.dates import DAY_FIRST, MONTH_FIRST, date_style
from services.ingest.imports.guess.events import Directory, Guess, Writer
from services.ingest.imports.guess.samples import Sample, read_sample
from services.ingest.imports.guess.tables import Asking, Table, kind_of
from services.ingest.imports.guess.understood import Question, Understood
from services.ingest.imports.guess.vocabulary import Kind, normal, vocabulary
from services.ingest.imports.mapping_file import read_mapping
from shared.kernel.errors import Fault, InvalidInputError
from shared.sales.company import DEFAULT_STAGES, LOST, WON

SOURCE = "/import/files"
"""Of all guessed mappings, so that one person has one pseudonym in all files."""
STAGES = (*DEFAULT_STAGES, WON, LOST)
_EXACT_BELOW = 2
_TAIL = re.compile(r"[\s_\-.()0-9年月日]+$")
_WIDE = 10_000

Tree = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Proposal:
    """A guess. Without a mapping there are questions, and the files have to be sent again with the answers."""

    mapping: str | None
    columns: Sequence[Understood]
    questions: Sequence[Question] = ()
    notes: Sequence[str] = ()
    """What was assumed, and what could not be."""
    is_dated: bool = True
    """Whether the rows say when something happened; else the import must say as of when they were exported."""


@dataclass(slots=True)
class _Entry:
    """A table, or several of the same build, and what they say."""

    tables: list[Table]
    kind: Kind
    name: str = ""
    guess: Guess | None = field(default=None)

    @property
    def table(self) -> Table:
        return self.tables[0]


def propose(
    files: Mapping[str, BinaryIO | Path],
    *,
    answers: Mapping[str, str] | None = None,
    source: str = SOURCE,
    sheet: str | None = None,
    stages: Sequence[str] = STAGES,
) -> Proposal:
    """Guess what the files mean. Raises InvalidInputError for a file that cannot be read, or an answer to nothing."""
    asking = Asking(dict(answers or {}))
    samples = _samples(files, sheet)
    tables = [Table(sample, vocabulary()) for sample in samples]
    kinds = [(table, kind_of(table, asking)) for table in tables]
    entries = _entries([(table, kind) for table, kind in kinds if kind is not None])
    shared = Shared(asking, _orders(tables), stages={normal(stage): stage for stage in stages})
    if len(entries) and not asking.open:
        _guess(entries, shared)
    _refuse_idle(asking)
    columns = [one for table in tables for one in table.understood()]
    guesses = [entry.guess for entry in entries if entry.guess]
    notes = [note for guess in guesses for note in guess.notes]
    notes += [f"Only the first rows of {one.name} were looked at." for one in samples if not one.is_whole]
    if asking.open or not guesses:
        return Proposal(None, columns, list(asking.open.values()), notes)
    text = _text(_tree(entries, shared, source), files)
    read_mapping(text.encode())
    return Proposal(text, columns, (), list(dict.fromkeys(notes)), any(guess.is_dated for guess in guesses))


def _samples(files: Mapping[str, BinaryIO | Path], sheet: str | None) -> list[Sample]:
    found, faults = [], []
    for name in sorted(files):
        try:
            found.append(read_sample(Upload(name, files[name]), sheet, Limits()))
        except UnreadableError as error:
            faults.append(Fault(name, str(error)))
    if faults:
        raise InvalidInputError("Not every file can be read.", faults=faults)
    return found


def _refuse_idle(asking: Asking) -> None:
    """An answer to a question that nobody asked is most likely misspelt."""
    idle = [] if asking.open else sorted(asking.answers.keys() - asking.asked)
    if idle:
        raise InvalidInputError(
            "An answer was given to a question that is not asked.",
            faults=[Fault("answer", f"{name} is not asked") for name in idle],
        )


def _orders(tables: Sequence[Table]) -> frozenset[str]:
    """The orders of day and month in which some column is surely written."""
    styles = [date_style(column.values) for table in tables for column in table.columns]
    layouts = [style.layout for style in styles if style and style.layout and not style.is_ambiguous]
    orders = {"D": DAY_FIRST, "M": MONTH_FIRST}
    return frozenset(orders[layout[0]] for layout in layouts if layout[0] in orders)


def _entries(kinds: Sequence[tuple[Table, Kind]]) -> list[_Entry]:
    """Tables about the same with the same header are read alike. Reference data come first."""
    found: dict[tuple[str, tuple[str, ...]], _Entry] = {}
    for table, kind in kinds:
        key = (kind.entity, tuple(table.sample.header), table.sample.style, table.sample.format)
        entry = found.setdefault(key, _Entry([], kind))  # type: ignore[arg-type]
        entry.tables.append(table)
    ranks = list(_RANKS)
    entries = sorted(found.values(), key=lambda entry: ranks.index(entry.kind.entity))
    names: list[str] = []
    for entry in entries:
        plain = entry.kind.says.split()[0]
        names.append(plain)
        entry.name = plain if names.count(plain) == 1 else f"{plain}-{names.count(plain)}"
    return entries


_RANKS = ("member", "product", "customer", "lead", "deal", "order", "invoice", "payment", "activity")


def _guess(entries: Sequence[_Entry], shared: Shared) -> None:
    lists = frozenset(entry.kind.entity for entry in entries)
    customers = _directory(entries)
    for entry in entries:
        others = customers if customers and customers.file != entry.name else None
        entry.guess = Writer(entry.table, entry.kind, shared, entry.name, others, lists).guess()


def _directory(entries: Sequence[_Entry]) -> Directory | None:
    """The customers that other files call by their names, where their own file has numbers."""
    for entry in entries:
        number, name = entry.table.first("customer_no", "id"), entry.table.first("customer_name", "name")
        if entry.kind.entity == "customer" and number and name and name.place != number.place:
            return Directory(entry.name, name.name, number.name)
    return None


def _tree(entries: Sequence[_Entry], shared: Shared, source: str) -> Tree:
    guesses = [(entry, entry.guess) for entry in entries if entry.guess]
    once = {str(tree): tree for _entry, guess in guesses for tree in guess.once}
    tree: Tree = {
        "name": "-".join(dict.fromkeys(entry.name for entry, _guess in guesses))[:60].rstrip("-"),
        "source": source,
        "maps": shared.maps,
        "once": list(once.values()),
        "lookups": {name: join for _entry, guess in guesses for name, join in guess.lookups.items()},
        "details": {name: join for _entry, guess in guesses for name, join in guess.details.items()},
        "files": {entry.name: _file(entry, guess, entries) for entry, guess in guesses},
    }
    return {name: part for name, part in tree.items() if part}


def _file(entry: _Entry, guess: Guess, entries: Sequence[_Entry]) -> Tree:
    sample, directory = entry.table.sample, _directory(entries)
    used = {sample.header[place] for place in entry.table.used} | set(guess.key)
    if directory and directory.file == entry.name:
        used |= {directory.name, directory.id}
    tree: Tree = {"name": _pattern(entry, entries)}
    if sample.format is Format.EXCEL:
        tree |= {"sheet": sample.style.sheet} if sample.style.sheet else {}
    else:
        tree |= {"encoding": sample.style.encoding} if sample.style.encoding != "utf-8" else {}
        sign = "tab" if sample.style.delimiter == "\t" else sample.style.delimiter
        tree |= {"delimiter": sign} if sign != "," else {}
    return tree | {
        "columns": [name for name in sample.header if name in used],
        "key": list(guess.key),
        "events": _named_apart(guess.events, entry.name),
    }


def _named_apart(events: Sequence[Tree], file: str) -> list[Tree]:
    """Two files about the same entity need parts of their own."""
    number = file.rpartition("-")[2]
    if not number.isdecimal():
        return list(events)
    return [event if event.get("distinct") and "part" in event else _apart(event, number) for event in events]


def _apart(event: Tree, number: str) -> Tree:
    return {
        "entity": event["entity"],
        **event,
        "part": f"{event['part']}-{number}" if "part" in event else f"n{number}",
    }


def _pattern(entry: _Entry, entries: Sequence[_Entry]) -> str:
    """The name of the file, and of the next exports of the same kind."""
    names = [table.sample.name for table in entry.tables]
    others = [table.sample.name for other in entries if other is not entry for table in other.tables]
    stems = [_TAIL.sub("", PurePath(name).stem) for name in names]
    start = stems[0]
    while not all(stem.startswith(start) for stem in stems):
        start = start[:-1]
    if len(start) < _EXACT_BELOW or any(other.startswith(start) for other in others):
        start = names[0] if len(names) == 1 else ""
        return _escaped(start) if start else "*"
    return f"{_escaped(start)}*"


def _escaped(name: str) -> str:
    return re.sub(r"([*?\[])", r"[\1]", name)


def _text(tree: Tree, files: Mapping[str, object]) -> str:
    names = ", ".join(" ".join(name.split()) for name in sorted(files))
    head = f"# Guessed from {names}. Read it over, change what is wrong, and keep it.\n"
    return head + yaml.dump(tree, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=_WIDE)


class _Dumper(yaml.SafeDumper):
    """No anchors: a mapping has none."""

    def ignore_aliases(self, data: object) -> bool:
        del data
        return True
