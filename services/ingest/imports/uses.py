"""What a mapping reads of each file: its columns, and the other files without which its rows mean nothing."""

from collections.abc import Iterator

from services.ingest.imports.expressions import Expression
from services.ingest.imports.mapping import Branch, Entries, ImportMapping, Leaf, Node, Template


def columns_read(mapping: ImportMapping, file: str) -> frozenset[str]:
    """The columns of a file that its key or some expression reads."""
    used = set(mapping.files[file].key)
    for expression in _on(mapping, file):
        used.update(expression.columns())
    for other in mapping.files:
        for expression in _on(mapping, other):
            used.update(column for name, column in _asked(expression) if mapping.lookups[name].file == file)
    return frozenset(used) & mapping.files[file].all_columns


def columns_looked_up(mapping: ImportMapping, lookup: str) -> frozenset[str]:
    """The columns that expressions take from the rows of a lookup."""
    asked = (one for file in mapping.files for expression in _on(mapping, file) for one in _asked(expression))
    return frozenset(column for name, column in asked if name == lookup and column)


def files_needed(mapping: ImportMapping, file: str) -> frozenset[str]:
    """The other files that a row of this one is read with, directly or through its details."""
    details = {entries.details for template in mapping.files[file].events for entries in entries_in(template.fields)}
    needed = {mapping.details[name].file for name in details if name is not None}
    for read in (file, *needed):
        for expression in _on(mapping, read):
            needed |= {mapping.lookups[name].file for name, _column in _asked(expression)}
    return frozenset(needed - {file})


def expressions_of(template: Template) -> Iterator[Expression]:
    """The expressions that are read from the template's own row."""
    yield template.id
    yield template.occurred_at
    yield from template.when
    yield from _leaves(template.fields)


def entries_in(node: Node) -> Iterator[Entries]:
    """The collections below a node whose ids come from rows."""
    if isinstance(node, Branch):
        for member in node.members.values():
            yield from entries_in(member)
    elif isinstance(node, Entries):
        yield node


def _on(mapping: ImportMapping, file: str) -> Iterator[Expression]:
    """Every expression that is read from rows of this file."""
    spec = mapping.files[file]
    for template in spec.events:
        yield from expressions_of(template)
    for doubt in spec.doubts:
        yield from doubt.when
    for join in (*mapping.lookups.values(), *mapping.details.values()):
        if join.file == file:
            yield join.key
    for other in mapping.files.values():
        for template in other.events:
            yield from _on_details(mapping, template, file)


def _on_details(mapping: ImportMapping, template: Template, file: str) -> Iterator[Expression]:
    for entries in entries_in(template.fields):
        if entries.details is not None and mapping.details[entries.details].file == file:
            yield entries.id
            yield from _leaves(entries.fields)


def _leaves(node: Node) -> Iterator[Expression]:
    if isinstance(node, Leaf):
        yield node.expression
    elif isinstance(node, Branch):
        for member in node.members.values():
            yield from _leaves(member)
    elif node.by is not None:
        yield node.by
    else:
        yield node.id
        yield from _leaves(node.fields)


def _asked(expression: Expression) -> Iterator[tuple[str, str]]:
    """The lookups that an expression asks, with the column; an empty one if it only asks whether there is a row."""
    for step in expression.steps:
        if step.name in ("lookup", "found"):
            name, _, column = step.word.partition(".")
            yield name, column
