"""A whole mapping, compiled: which rules speak about a delivery, and what they say."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from msgspec import UNSET

from services.ingest.sources import payload
from services.ingest.sources.json_webhook.configuration import FieldSaid, RuleSaid, TimeSaid
from services.ingest.sources.json_webhook.expressions import ABSENT, Budget, Expression, Place, builds, is_true
from services.ingest.sources.json_webhook.fields import (
    Defaults,
    Field,
    MappingError,
    Single,
    all_said,
    at,
    expression,
    fields_of,
    foreign_id,
    gathered,
    listed,
    optional,
    single,
)
from services.ingest.sources.json_webhook.values import TimeFormat
from services.ingest.sources.payload import Speaker, fingerprint
from services.ingest.sources.signing import whole_number
from shared.contracts.entities import ENTITIES
from shared.contracts.envelope import MAX_BATCH, Event, Refused
from shared.contracts.shape import Shape
from shared.contracts.strict_json import dumped
from shared.contracts.values import write_instant
from shared.kernel.errors import InvalidInputError, QuintantError, TooLargeError

_NOTHING = "nothing"
_ID = Shape(str)


@dataclass(frozen=True, slots=True)
class Timed:
    """Where a time stands and how it is written."""

    where: str
    source: Expression
    times: TimeFormat

    def instant(self, place: Place) -> datetime:
        """Raises InvalidInputError."""
        with at(self.where):
            found = self.source.value(place)
            return self.times.instant(None if found is ABSENT else found)


@dataclass(frozen=True, slots=True)
class Numbered:
    """A sequence that the sender counts itself."""

    where: str
    source: Expression

    def number(self, place: Place) -> int:
        """Raises InvalidInputError."""
        with at(self.where):
            found = whole_number(payload.text(self.source.value(place)) or "0")
            if found is None:
                raise InvalidInputError("A sequence is no whole number of at most 15 digits.")
            return found


@dataclass(frozen=True, slots=True)
class Speaking:
    """How one kind of notice becomes an event."""

    entity: str
    id: Single
    event_id: Expression | None
    time: Timed
    sequence: Timed | Numbered | None
    ended: Expression | bool | None
    whole: bool
    fields: Mapping[str, Field]

    def event(self, rule: str, place: Place, speaker: Speaker) -> Event:
        """Raises InvalidInputError, which names the rule and the field."""
        foreign, when = foreign_id(self.id, place, speaker), self.time.instant(place)
        return speaker.changed(
            self.entity,
            foreign,
            all_said(self.fields, place, speaker, whole=self.whole),
            event_id=self._event_id(rule, foreign, when, place),
            at=when,
            sequence=self._sequence(place),
            ended=self._ended(rule, place),
        )

    def _event_id(self, rule: str, foreign: str, when: datetime, place: Place) -> str:
        with at(f"rule {rule}: event_id"):
            said = payload.text(self.event_id.value(place)) if self.event_id else None
        if said is not None:
            return f"{said}:{rule}:{foreign}"
        return f"{rule}:{foreign}@{write_instant(when)}:{fingerprint(dumped(place.here))}"

    def _sequence(self, place: Place) -> int:
        if isinstance(self.sequence, Timed):
            return payload.micros_since_1970(self.sequence.instant(place))
        return self.sequence.number(place) if self.sequence else 0

    def _ended(self, rule: str, place: Place) -> bool | None:
        if not isinstance(self.ended, Expression):
            return self.ended
        with at(f"rule {rule}: ended"):
            found = self.ended.value(place)
            if found is ABSENT or found is None or isinstance(found, bool):
                return found if isinstance(found, bool) else None
            raise InvalidInputError("It is neither true nor false.")


@dataclass(frozen=True, slots=True)
class Rule:
    """Which notices it is about, and what becomes of them; None for those that are known and say nothing."""

    name: str
    each: Expression | None
    when: Expression | None
    speaking: Speaking | None

    def matches(self, place: Place) -> bool:
        """Raises InvalidInputError for what cannot be computed."""
        if self.when is None:
            return True
        with at(f"rule {self.name}: when"):
            return is_true(self.when.value(place))


@dataclass(frozen=True, slots=True)
class Told:
    """What a delivery says."""

    events: Sequence[Event | Refused]
    unknown: str


@dataclass(frozen=True, slots=True)
class JsonMapping:
    """All rules, those with the same entries together."""

    groups: Sequence[Sequence[Rule]]

    def told(self, body: object, speaker: Speaker) -> Told:
        """All that the rules say about a body. Raises TooLargeError for more than it may be."""
        whole, events, missed, matched = Place(body, body, body, Budget()), [], 0, False
        for rules in self.groups:
            places = _places(rules[0].each, whole)
            for place in places:
                said = list(_said(rules, place, speaker))
                events += [event for event in said if event is not None]
                matched |= bool(said)
                missed += not said and rules[0].each is not None
                if len(events) > MAX_BATCH:
                    raise TooLargeError(f"A delivery says more than {MAX_BATCH} events.")
        if missed:
            return Told(events, f"{missed} entries that no rule matches")
        return Told(events, "" if matched else "no rule matches")


def _places(each: Expression | None, whole: Place) -> list[Place]:
    if each is None:
        return [whole]
    with at(f"each {each.text}"):
        found = each.value(whole)
    entries = [] if found is ABSENT or found is None else listed(found)
    if len(entries) > MAX_BATCH:
        raise TooLargeError(f"A delivery has more than {MAX_BATCH} entries.")
    return [whole.inside(entry) for entry in entries]


def _said(rules: Sequence[Rule], place: Place, speaker: Speaker) -> Iterator[Event | Refused | None]:
    """One for each rule that matches; None if it says nothing."""
    for rule in rules:
        try:
            if rule.matches(place):
                yield rule.speaking.event(rule.name, place, speaker) if rule.speaking else None
        except TooLargeError:
            raise
        except QuintantError as error:
            yield Refused(speaker.account.source, None, error)


# Compiling


def mapping(rules: Sequence[RuleSaid], currency: str | None, zone: str) -> JsonMapping:
    """Raises MappingError with all that is wrong."""
    names = [rule.name for rule in rules]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise MappingError(f"there are two rules called {', '.join(doubled)}")
    defaults = Defaults(currency, zone)
    compiled = gathered((said.name, lambda said=said: _rule(said, defaults)) for said in rules)  # type: ignore[misc]
    ordered = sorted(compiled.values(), key=_entries)
    return JsonMapping([list(group) for _, group in groupby(ordered, key=_entries)])


def _entries(rule: Rule) -> str:
    return rule.each.text if rule.each else ""


def _rule(said: RuleSaid, defaults: Defaults) -> Rule:
    where = f"rule {said.name}"
    each = optional(said.each, f"{where}: each")
    if each is not None and builds(each):
        raise MappingError(f"{where}: each chooses entries that are there, it makes none")
    return Rule(said.name, each, optional(said.when, f"{where}: when"), _speaking(said, where, defaults))


def _speaking(said: RuleSaid, where: str, defaults: Defaults) -> Speaking | None:
    if said.entity == _NOTHING:
        return None
    if said.entity not in ENTITIES:
        raise MappingError(f"{where}: entity must be one of {', '.join(ENTITIES)} or {_NOTHING}")
    if not said.id or not said.time:
        raise MappingError(f"{where} needs an id and a time")
    parts = gathered(
        [
            ("id", lambda: _id(said.id, where, defaults)),
            ("event_id", lambda: optional(said.event_id, f"{where}: event_id")),
            ("time", lambda: _timed(said.time, f"{where}: time", defaults)),
            ("sequence", lambda: _sequence(said.sequence, f"{where}: sequence", defaults)),
            ("ended", lambda: _ended(said, where)),
            ("fields", lambda: fields_of(said.fields, ENTITIES[said.entity].shape, where, defaults)),
        ]
    )
    return Speaking(said.entity, whole=said.whole, **parts)  # type: ignore[arg-type]


def _id(said: str | FieldSaid, where: str, defaults: Defaults) -> Single:
    found = FieldSaid(value=said) if isinstance(said, str) else said
    if found != FieldSaid(value=found.value, kind=found.kind) or found.kind not in (None, "text", "person"):
        raise MappingError(f"{where}: id is an expression, or one with the kind person")
    return single("entry", found, _ID, f"{where}: id", defaults)


def _timed(said: str | TimeSaid, where: str, defaults: Defaults) -> Timed:
    found = TimeSaid(value=said) if isinstance(said, str) else said
    try:
        times = defaults.times(found.format, found.zone)
    except MappingError as error:
        raise MappingError(f"{where}: {error}") from None
    return Timed(where, expression(found.value, where), times)


def _sequence(said: str | TimeSaid, where: str, defaults: Defaults) -> Timed | Numbered | None:
    if isinstance(said, TimeSaid):
        return _timed(said, where, defaults)
    return Numbered(where, expression(said, where)) if said else None


def _ended(said: RuleSaid, where: str) -> Expression | bool | None:
    if isinstance(said.ended, str):
        return expression(said.ended, f"{where}: ended")
    return None if said.ended is UNSET else said.ended
