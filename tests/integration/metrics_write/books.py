"""A worker's lanes over real tables, fed with numbered records without a broker; and a company that keeps changing."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import msgspec

from services.metrics.domain.ledgers import LEDGERS
from services.metrics.handlers import handler
from services.metrics.migrations import HEAD
from services.metrics.tables import metadata
from shared.contracts.records import StreamRecord
from shared.kernel.clock import SystemClock
from shared.kernel.journal import Assertion, Stamp, Value
from shared.kernel.ledger import Cell, Cells
from shared.messaging.failpoints import Failpoints
from shared.messaging.folding import FoldingLane, FoldingOpener, Handler
from shared.sales.references import Key
from shared.storage.database import Database
from shared.telemetry.metrics import Metrics
from tests.unit.metrics_write.stories import COMPANY, START, Told

Stream = Mapping[int, Sequence[StreamRecord]]
"""Partition → its records, numbered from 1."""


def story(seed: int, *, deals: int = 40, orders: int = 15, payments: int = 15) -> list[Told]:
    """The same story for the same seed: members move, customers merge, prices are corrected, deals come and go."""
    rng = random.Random(seed)  # noqa: S311 - a story, no secret
    events = [*_references(rng), *_deals(rng, deals), *_orders(rng, orders), *_payments(rng, payments)]
    rng.shuffle(events)
    return events


def stream(events: Sequence[Told], partitions: int = 1) -> Stream:
    """What the relay would write: reference data into every partition, all else by key."""
    records: dict[int, list[StreamRecord]] = {number: [] for number in range(partitions)}
    for event in events:
        own = sum(map(ord, event.key.id)) % partitions
        for number in records if event.is_reference else (own,):
            records[number].append(record(event, len(records[number]) + 1))
    return records


def record(event: Told, number: int) -> StreamRecord:
    said = event.assertion
    data: dict[str, Value] = {"id": event.key.id, **said.said}
    data |= {} if said.ended is None else {"ended": said.ended}
    data |= {} if said.since is None else {"since": said.since.isoformat()}
    accepted = datetime.combine(said.known_on, time(12), UTC)
    return StreamRecord(
        entity=event.key.kind,
        source=said.stamp.source,
        id=said.stamp.event_id,
        subject=event.key.id,
        time=said.stamp.occurred_at,
        sequence=said.stamp.sequence,
        data=msgspec.json.encode(data, order="sorted"),
        epoch=1,
        number=number,
        revision=said.revision,
        known_on=said.known_on,
        accepted_at=accepted,
        recorded_on=said.known_on,
    )


def opener(database: Database, *, chunk: int = 500, using: Handler | None = None) -> FoldingOpener:
    made = using or handler(COMPANY)
    return FoldingOpener(database, HEAD, 1, made, Metrics(), SystemClock(), Failpoints(), chunk)


async def apply(lane: FoldingLane, records: Sequence[StreamRecord], batch: int = 2000) -> None:
    """Apply what is next of these records, so many at once."""
    rest = [one for one in records if one.number > lane.position.number]
    for start in range(0, len(rest), batch):
        await lane.apply(rest[start : start + batch], duplicates=0, dead=[])


async def apply_all(database: Database, records: Stream, *, batch: int = 2000, chunk: int = 500) -> None:
    """Every partition to its end, one after another."""
    for partition, share in records.items():
        await apply(await opener(database, chunk=chunk).open(partition), share, batch)


async def empty(database: Database) -> None:
    """As after the migration."""
    async with database.write() as writer:
        await writer.execute(f"TRUNCATE {', '.join(metadata.tables)}")


async def ledger_cells(database: Database) -> Cells:
    """What stands in the ledgers, summed over partitions and entities by independent SQL."""
    cells: Cells = {}
    async with database.read() as reader:
        for name, ledger in LEDGERS.items():
            key = ", ".join(("known_on", "day", "fact", *ledger.dimension_types))
            sums = ", ".join(f"sum({measure}) AS {measure}" for measure in ledger.measure_types)
            for row in await reader.rows(f"SELECT {key}, {sums} FROM {name} GROUP BY {key}"):  # noqa: S608
                measures = tuple(kind(row[measure]) for measure, kind in ledger.measure_types.items())
                if any(measures):
                    dimensions = tuple(row[dimension] for dimension in ledger.dimension_types)
                    cells[Cell(name, row["known_on"], row["day"], row["fact"], dimensions)] = measures
    return cells


def _said(rng: random.Random, event: str, fields: Mapping[str, Value], since: date | None = None) -> Assertion:
    day = START + timedelta(days=rng.randrange(60))
    occurred = datetime.combine(day, time(rng.randrange(24)), UTC)
    known = day + timedelta(days=rng.choice((0, 0, 0, 3)))
    return Assertion(Stamp(occurred, 0, "crm", event), known, fields, since=since)


def _references(rng: random.Random) -> list[Told]:
    told = [
        *(("member", name, {"unit_id": unit}) for name in ("ann", "bo", "cy") for unit in ("north", "south")),
        *(("organisation-unit", unit, {"kind": "team", "parent_id": "east"}) for unit in ("north", "south")),
        ("organisation-unit", "east", {"kind": "region"}),
        *(("customer", name, {"sector": sector}) for name in ("acme", "zeta") for sector in ("retail", "tech")),
        ("alias", "customer:old", {"into_id": "acme"}),
        *(("product", name, _product(rng)) for name in ("bolt", "nut") for _ in range(2)),
        ("exchange-rate", "spot:EUR/CNY", {"base": "EUR", "quote": "CNY", "rate": "8", "rate_type": "spot"}),
        ("exchange-rate", "spot:EUR/CNY", {"base": "EUR", "quote": "CNY", "rate": "7.5", "rate_type": "spot"}),
    ]
    return [
        Told(Key(kind, name), _said(rng, f"{kind}-{number}", fields, START + timedelta(days=rng.randrange(30))))
        for number, (kind, name, fields) in enumerate(told)
    ]


def _product(rng: random.Random) -> Mapping[str, Value]:
    return {
        "category": rng.choice(("iron", "steel")),
        "unit": "piece",
        "price": _money(rng),
        "cost": _money(rng),
        "conversions": {"box": {"factor": "12"}},
    }


def _deals(rng: random.Random, count: int) -> list[Told]:
    stages = ("prospecting", "qualification", "needs-analysis", "won", "lost")
    events = []
    for number in range(count):
        for step in range(rng.randrange(1, 5)):
            fields: dict[str, Value] = {"stage": rng.choice(stages), "owner_id": rng.choice(("ann", "bo", "cy", None))}
            fields |= {"amount": _money(rng)} if rng.random() < 0.5 else {"product_id": rng.choice(("bolt", "nut"))}
            fields |= {"customer_id": rng.choice(("acme", "zeta", "old"))} if rng.random() < 0.5 else {}
            one = _said(rng, f"deal-{number}-{step}", fields)
            one = replace(one, ended=True) if rng.random() < 0.05 else one
            events.append(Told(Key("deal", f"D-{number}"), one))
    return events


def _orders(rng: random.Random, count: int) -> list[Told]:
    return [
        Told(
            Key(kind, f"{kind}-{number}"),
            _said(
                rng,
                f"{kind}-{number}",
                {
                    "customer_id": rng.choice(("acme", "zeta", "old")),
                    "owner_id": rng.choice(("ann", "bo")),
                    dated: (START + timedelta(days=rng.randrange(60))).isoformat(),
                    "lines": {str(line): _line(rng) for line in range(rng.randrange(4))},
                },
            ),
        )
        for number in range(count)
        for kind, dated in (("order", "ordered_on"), ("shipment", "shipped_on"), ("invoice", "issued_on"))
    ]


def _line(rng: random.Random) -> Mapping[str, Value]:
    unit, quantity = rng.choice(("piece", "box")), str(rng.randrange(9))
    return {"product_id": rng.choice(("bolt", "nut")), "quantity": quantity, "unit": unit, "net": _money(rng, "EUR")}


def _payments(rng: random.Random, count: int) -> list[Told]:
    return [
        Told(
            Key("payment", f"P-{number}"),
            _said(
                rng,
                f"payment-{number}",
                {
                    "customer_id": rng.choice(("acme", "zeta", "old")),
                    "instrument": rng.choice(("transfer", "bill")),
                    "amount": {"amount": str(rng.randrange(1, 999)), "currency": "EUR"},
                    "received_on": START.isoformat(),
                    "cleared_on": (START + timedelta(days=rng.randrange(60))).isoformat(),
                },
            ),
        )
        for number in range(count)
    ]


def _money(rng: random.Random, *currencies: str) -> Mapping[str, Value]:
    amount = f"{rng.randrange(1, 10_000)}.{rng.randrange(100):02d}"
    return {"amount": amount, "currency": rng.choice(currencies or ("CNY", "EUR", "USD"))}
