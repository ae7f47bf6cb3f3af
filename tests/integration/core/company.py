"""A longer story of the miniature company, drawn from a seed, and numbered as the inbox would number it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from hashlib import blake2b
from random import Random
from typing import Any

import msgspec

from shared.contracts.entities import ENTITIES
from shared.contracts.records import StreamRecord
from shared.kernel.journal import Value
from tests.unit.sales.events import Event

START = datetime(2026, 3, 1, tzinfo=UTC)
FIRST_DAY, LAST_DAY = date(2026, 3, 1), date(2026, 3, 20)
ALWAYS = (date.max, date.max)
EVENINGS = ((date(2026, 3, 5), date(2026, 3, 9)), (date(2026, 3, 12), date(2026, 3, 6)), ALWAYS)
"""(until, known_at): the questions by which two ledgers are compared."""
_STAGES = ("qualification", "proposal", "proposal", "won", "lost", None)
_OWNERS = ("ann", "bo", "cy", None)


def told(seed: int, *, events: int, deals: int, references: int = 0) -> list[Event]:
    """That many events of that many deals, with reference data in between, in the order of their arrival."""
    draw = Random(seed)  # noqa: S311 - a story, no secret
    story = [_deal(draw, f"e{number}", f"d{draw.randrange(deals)}") for number in range(events)]
    for number in range(references):
        story.insert(draw.randrange(len(story) + 1), _reference(draw, f"r{number}"))
    return story


def _deal(draw: Random, event_id: str, deal: str) -> Event:
    said: dict[str, Value] = {}
    if draw.random() < 0.7:
        said["stage"] = draw.choice(_STAGES)
    if draw.random() < 0.6:
        said["amount"] = _money(draw)
    if draw.random() < 0.5:
        said["owner_id"] = draw.choice(_OWNERS)
    if draw.random() < 0.3:
        said["product_id"] = "lamp"
    ended = draw.choice([None] * 12 + [True, False])
    return Event("deal", deal, event_id, _instant(draw), _day(draw), said, ended)


def _reference(draw: Random, event_id: str) -> Event:
    choices: list[tuple[str, str, Mapping[str, Value]]] = [
        ("member", draw.choice(["ann", "bo", "cy"]), {"unit_id": draw.choice(["north", "south", None])}),
        ("exchange-rate", "spot:USD/EUR", {"rate": draw.choice(["0.9", "0.8", "0.85"])}),
        ("product", "lamp", {"price": _money(draw)}),
    ]
    kind, key, said = draw.choice(choices)
    return Event(kind, key, event_id, _instant(draw), _day(draw), said, since=draw.choice([None, _day(draw)]))


def _money(draw: Random) -> Mapping[str, Value]:
    cents = draw.randrange(1, 100_000)
    return {"amount": f"{cents // 100}.{cents % 100:02}", "currency": draw.choice(["EUR", "EUR", "USD"])}


def _instant(draw: Random) -> datetime:
    return START + timedelta(minutes=draw.randrange(15 * 24 * 60))


def _day(draw: Random) -> date:
    return FIRST_DAY + timedelta(days=draw.randrange(12))


def deal(number: int, event_id: str, **fields: Value) -> Event:
    """One event of one deal, at an hour of its own."""
    at = START + timedelta(hours=number)
    return Event("deal", f"d{number}", event_id, at, FIRST_DAY, {"stage": "proposal", **fields})


def moved(owner: str, team: str | None, event_id: str, *, hour: int = 0) -> Event:
    """A member belongs to a team, for ever."""
    return Event("member", owner, event_id, START + timedelta(hours=hour), FIRST_DAY, {"unit_id": team})


@dataclass
class Numbered:
    """What was accepted, numbered densely within each partition; reference data go to all of them."""

    partitions: int
    epoch: int = 1
    streams: dict[int, list[StreamRecord]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.streams = self.streams or {partition: [] for partition in range(self.partitions)}

    def accept(self, events: Iterable[Event]) -> dict[int, list[StreamRecord]]:
        """The new records of each partition."""
        fresh: dict[int, list[StreamRecord]] = {partition: [] for partition in self.streams}
        for event in events:
            reference = ENTITIES[event.kind].reference
            for partition in self.streams if reference else (self._home(event),):
                one = record(event, len(self.streams[partition]) + 1, epoch=self.epoch)
                self.streams[partition].append(one)
                fresh[partition].append(one)
        return fresh

    def _home(self, event: Event) -> int:
        return int.from_bytes(blake2b(event.id.encode(), digest_size=4).digest(), "big") % self.partitions

    @property
    def heads(self) -> dict[int, int]:
        """The last number of each partition."""
        return {partition: len(records) for partition, records in self.streams.items()}


def record(event: Event, number: int, *, epoch: int = 1) -> StreamRecord:
    """An event as it stands on the stream."""
    said: dict[str, Any] = {"id": event.id, **event.fields}
    if event.ended is not None:
        said["ended"] = event.ended
    if event.since is not None:
        said["since"] = event.since.isoformat()
    if event.kind == "exchange-rate":
        rate_type, _, pair = event.id.partition(":")
        said |= dict(zip(("base", "quote"), pair.split("/"), strict=True)) | {"rate_type": rate_type}
    return StreamRecord(
        entity=event.kind,
        source=event.source,
        id=event.event_id,
        subject=event.id,
        time=event.occurred_at,
        sequence=event.sequence,
        data=msgspec.json.encode(said, order="sorted"),
        epoch=epoch,
        number=number,
        revision=event.revision,
        known_on=event.known_on,
        accepted_at=START + timedelta(days=30),
        recorded_on=LAST_DAY,
        reconstructed=False,
    )


def numbers(records: Sequence[StreamRecord]) -> list[int]:
    return [one.number for one in records]
