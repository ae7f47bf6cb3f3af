"""Event templates from a table: what each row says about its entity, and about who and what it names beside."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.ingest.imports.guess.cells import Cells, Shared
from services.ingest.imports.guess.deals import deal_templates
from services.ingest.imports.guess.numbers import quoted
from services.ingest.imports.guess.orders import order_lines
from services.ingest.imports.guess.tables import Column, Table
from services.ingest.imports.guess.understood import Question
from services.ingest.imports.guess.vocabulary import Kind
from services.ingest.imports.mapping_events import kinds_of
from services.ingest.imports.values import Kind as ValueKind
from shared.contracts.entities import ENTITIES

AS_OF = "$as_of"
Tree = dict[str, Any]
_MAIL = "@"


@dataclass(frozen=True, slots=True)
class Directory:
    """Customers that another file of the same import lists: by which name, and under which id."""

    file: str
    name: str
    id: str


@dataclass(slots=True)
class Guess:
    """What a table says, in the parts of a mapping."""

    kind: Kind
    key: Sequence[str]
    events: list[Tree]
    once: list[Tree] = field(default_factory=list)
    lookups: Tree = field(default_factory=dict)
    details: Tree = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def is_dated(self) -> bool:
        """Whether its rows say when something happened."""
        return any(not str(event["occurred_at"]).startswith(AS_OF) for event in self.events)


@dataclass(slots=True)
class Writer:
    """Writes the templates of one table."""

    table: Table
    kind: Kind
    shared: Shared
    name: str
    """Under `files`."""
    customers: Directory | None
    """None: no other file of this import lists them."""
    lists: frozenset[str]
    """Entities that files of this import are about."""
    cells: Cells = field(init=False)
    notes: list[str] = field(default_factory=list)
    lookups: Tree = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.cells = Cells(self.table, self.shared)

    def guess(self) -> Guess | None:
        """None: something must be asked first."""
        identity = self._identity()
        if identity is None:
            return None
        entity_id = f"{identity.expression} | pseudonym" if self.kind.entity == "member" else identity.expression
        self.table.use(identity, f"{self.kind.entity}.id", entity_id)
        fields = self._fields(self.kind.fields, "")
        lines = order_lines(self.table, identity, self._lines(), self.notes) if self.kind.line_fields else None
        once: list[Tree] = []
        if self.kind.entity == "deal":
            events, once = deal_templates(self.cells, entity_id, fields, self.notes)
        else:
            events = [self._event(entity_id, fields)]
        if lines:
            events[0]["distinct"] = lines.is_detail
            events[0]["fields"]["lines"] = lines.tree
        details = {lines.name: {"file": self.name, "key": identity.expression}} if lines and lines.is_detail else {}
        events = [{name: value for name, value in event.items() if value} for event in [*events, *self._beside()]]
        key = lines.key if lines else [identity.name]
        return Guess(self.kind, key, events, once, self.lookups, details, self.notes)

    def _identity(self) -> Column | None:
        """The column that tells what the rows are about."""
        repeats = bool(self.kind.line_fields)
        fitting = [column for column in self.table.saying(self.kind.id) if self.table.is_filled(column)]
        sure = [column for column in fitting if column.heading.sureness(self.kind.id[0]) or self.table.is_key([column])]
        if chosen := next(iter(sure if not repeats else fitting), None):
            return chosen
        keys = [column.name for column in self.table.columns if self.table.is_key([column])]
        file = self.table.sample.name
        text = f"Which column of {file} tells its {self.kind.says} apart? Never blank, and the same in every export."
        if not keys:
            text = f"No column of {file} tells its rows apart: add one with the number of each of the {self.kind.says}."
        answer = self.shared.asking.ask(Question(f"id:{file}", text, tuple(keys), file))
        return next((column for column in self.table.columns if column.name == answer), None) if answer else None

    def _event(self, entity_id: str, fields: Tree) -> Tree:
        moment, entity = self._moment(), self.kind.entity
        for name, value in self.kind.fixed.items():
            if name not in fields:
                fields[name] = f"text:{value}"
                self.notes.append(f"No column says the {name} of the {self.kind.says}: all are taken as {value}.")
        return {"entity": entity, "id": entity_id, "occurred_at": moment, "fields": fields}

    def _moment(self) -> str:
        for column in self.table.saying(self.kind.when):
            found = self.cells.moment(column)
            if found is not None and self.table.is_filled(column):
                return self.table.use(column, f"when the {self.kind.entity} happened", found[0])
        return AS_OF

    def _fields(self, fields: Mapping[str, Sequence[str]], prefix: str) -> Tree:
        shapes = ENTITIES[self.kind.entity].shape.fields
        found: Tree = {}
        for name, meanings in fields.items():
            meaning = f"{self.kind.entity}.{prefix}{name}"
            special = _SPECIAL.get(name)
            if special is not None:
                said = special(self, meaning, meanings)
            elif self.kind.entity == "deal" and name == "stage":
                continue  # the templates of deals are made around it
            else:
                said = self.cells.of_kinds(meaning, kinds_of(shapes[name]), self.table.saying(meanings))
            if said:
                found[name] = said
        if self.kind.contact_fields and (contact := self._contact()):
            found["contacts"] = contact
        return found

    def _lines(self) -> Tree:
        shape = ENTITIES[self.kind.entity].shape.fields["lines"].entry
        shapes = shape.fields if shape else {}
        found = {
            name: self.cells.of_kinds(f"order line.{name}", kinds_of(shapes[name]), self.table.saying(meanings))
            for name, meanings in self.kind.line_fields.items()
        }
        return {name: said for name, said in found.items() if said}

    def _contact(self) -> Tree | None:
        """A person at the customer: the id does not say who."""
        identity = next(self.table.saying(self.kind.contact_id), None)
        if identity is None or not identity.values:
            return None
        fields = {
            name: self.cells.of_kinds(f"contact.{name}", [ValueKind.TEXT], self.table.saying(meanings))
            for name, meanings in self.kind.contact_fields.items()
        }
        said = {name: value for name, value in fields.items() if value}
        return {"id": f"{identity.expression} | pseudonym:c", "fields": said} if said else None

    def owner(self, meaning: str, meanings: Sequence[str]) -> str | None:
        """Persons stay in ingest: everything else knows them by a pseudonym."""
        column = next((one for one in self.table.saying(meanings) if one.values), None)
        return None if column is None else self.table.use(column, meaning, f"{column.expression} | pseudonym")

    def customer(self, meaning: str, meanings: Sequence[str]) -> str | None:
        """By its number, else by its name."""
        column = next((one for one in self.table.saying(meanings) if one.values), None)
        if column is None:
            return None
        said = column.expression
        if self.customers and column.heading.sureness("customer_name") and not column.heading.sureness("customer_no"):
            self.lookups["customers"] = {"file": self.customers.file, "key": f"[{self.customers.name}]"}
            said = f"{said} | lookup:{quoted(f'customers.{self.customers.id}')}"
        return self.table.use(column, meaning, said)

    def _beside(self) -> list[Tree]:
        """Members, customers and teams that the rows name, and no other file lists."""
        made = [self._owner_as_member(), self._named_customer(), self._team()]
        return [event for event in made if event]

    def _said_once(self, entity: str, entity_id: str, column: Column, fields: Tree) -> Tree:
        part = f"of-{self.name}"
        return {
            "entity": entity,
            "part": part,
            "distinct": True,
            "when": column.expression,
            "id": entity_id,
            "occurred_at": AS_OF,
            "fields": fields,
        }

    def _owner_as_member(self) -> Tree | None:
        column = next((one for one in self.table.saying(("owner", "owner_email")) if one.values), None)
        if column is None or self.kind.entity == "member" or "member" in self.lists:
            return None
        if all(value.isdecimal() for value in column.values):
            return None
        is_mail = all(_MAIL in value for value in column.values)
        fields: Tree = {"email" if is_mail else "name": column.expression}
        mail = self.table.first("owner_email")
        if mail and mail is not column and mail.values and self._belongs(column, mail):
            fields["email"] = self.table.use(mail, "member.email", mail.expression)
        return self._said_once("member", f"{column.expression} | pseudonym", column, fields)

    def _named_customer(self) -> Tree | None:
        name, number = self.table.first("customer_name"), self.table.first("customer_no")
        if name is None or not name.values or self.kind.entity == "customer" or "customer" in self.lists:
            return None
        if "customer_id" not in self.kind.fields or (number and not self._belongs(number, name)):
            return None
        identity = number if number and number.values else name
        if number is None:
            self.notes.append(
                f"The customers of {self.table.sample.name} are known by their names, as companies. If they are "
                "persons, put `| pseudonym:c` behind each, and take the event away that says their names."
            )
        self.table.use(name, "customer.name", name.expression)
        return self._said_once("customer", identity.expression, identity, {"name": name.expression})

    def _team(self) -> Tree | None:
        team = self.table.first("team") if self.kind.entity == "member" else None
        if team is None or not team.values:
            return None
        return self._said_once(
            "organisation-unit", team.expression, team, {"kind": "text:team", "name": team.expression}
        )

    def _belongs(self, key: Column, value: Column) -> bool:
        """Whether a value of the one column always has the same in the other."""
        pairs = {(row[key.place], row[value.place]) for row in self.table.sample.rows if row[key.place]}
        return len(pairs) == len({first for first, _second in pairs})


_SPECIAL = {"owner_id": Writer.owner, "customer_id": Writer.customer}
