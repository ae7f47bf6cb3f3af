"""A made-up day of selling, the same for every source: what `quintant source simulate` lets a source tell, and what
the tests know to be true. A source's `simulator.py` puts it into the source's own words and signs it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Literal, Protocol

from services.ingest.sources.adapter import Account

Subject = Literal["deals", "orders"]
OPEN_STAGES = ("prospecting", "qualification", "needs-analysis", "solution-presentation", "proposal-negotiation")
_CUSTOMERS = ("Simulated Acme", "Simulated 华兴贸易", "Simulated Ødegård", "Simulated Initech")
_GOODS = ("widgets", "pumps", "阀门", "lamps")


@dataclass(frozen=True, slots=True)
class SimulatedDeal:
    """One version of a deal."""

    number: int
    title: str
    amount: Decimal
    currency: str
    stage: str
    """Canonical: one of OPEN_STAGES, `won` or `lost`."""
    customer: int
    owner: int
    close_on: date
    created_at: datetime
    changed_at: datetime
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class SimulatedLine:
    """One line of an order."""

    number: int
    product: str
    quantity: int
    price: Decimal
    """Of one unit, net."""

    @property
    def net(self) -> Decimal:
        return self.price * self.quantity


@dataclass(frozen=True, slots=True)
class SimulatedOrder:
    """One version of an order and of the money that came for it."""

    number: int
    customer: int
    currency: str
    lines: tuple[SimulatedLine, ...]
    ordered_at: datetime
    changed_at: datetime
    paid_at: datetime | None = None
    """When all of it was paid."""
    refunded: Decimal = Decimal(0)
    """Of the first line, whole units at its price; 0 or one unit."""
    refunded_at: datetime | None = None
    cancelled: bool = False

    @property
    def net(self) -> Decimal:
        return sum((line.net for line in self.lines), Decimal(0))


Thing = SimulatedDeal | SimulatedOrder


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happened to one thing: how it is now, and how it was."""

    at: datetime
    now: Thing
    before: Thing | None = None


@dataclass(frozen=True, slots=True)
class Signed:
    """One request as the source would send it."""

    headers: Mapping[str, str]
    body: bytes
    method: str = "POST"
    path_key: str = field(default="", repr=False)
    """Goes behind the URL, for senders that cannot sign."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One object as the source's API would show it."""

    kind: str
    id: str
    body: Mapping[str, object]


class Simulator(Protocol):
    """`SIMULATOR` in a source's `simulator.py`."""

    subject: Subject

    def deliveries(self, step: Step, account: Account, sent_at: datetime) -> Sequence[Signed]:
        """What the source sends about this step, signed with the account's first secret; usually one request."""

    def shown(self, thing: Thing) -> Sequence[Shown]:
        """What the source's API shows of this version; nothing for a deleted thing. Empty for a source that is never
        read."""


def told(subject: Subject, *, seed: int, things: int, begin: datetime, span: timedelta) -> list[Step]:
    """The whole story in the order in which it happened. The same arguments tell the same story."""
    random = Random(seed)  # noqa: S311 - a story, no secret
    base = 9_000_000 + (seed % 1000) * 1000
    tell = _deal if subject == "deals" else _order
    steps = [step for place in range(things) for step in tell(random, base + place, begin, span)]
    return sorted(steps, key=lambda step: (step.at, step.now.number))


def endings(steps: Sequence[Step], at: datetime) -> list[Step]:
    """What takes the simulated things away again: deals are deleted, orders cancelled."""
    last = {step.now.number: step.now for step in steps}
    return [
        Step(at + timedelta(seconds=place), _ended(thing, at + timedelta(seconds=place)), thing)
        for place, thing in enumerate(last.values())
        if not (isinstance(thing, SimulatedDeal) and thing.deleted)
    ]


def _ended(thing: Thing, at: datetime) -> Thing:
    if isinstance(thing, SimulatedDeal):
        return replace(thing, deleted=True, changed_at=at)
    return replace(thing, cancelled=True, changed_at=at)


def _moments(random: Random, count: int, begin: datetime, span: timedelta) -> list[datetime]:
    """Whole seconds, at least two apart, so that sources with coarse clocks can tell them apart."""
    slots = max(count, int(span.total_seconds()) // 2)
    return [begin + timedelta(seconds=2 * place) for place in sorted(random.sample(range(slots), count))]


def _deal(random: Random, number: int, begin: datetime, span: timedelta) -> Iterator[Step]:
    moves = random.randint(1, 4)
    moments = _moments(random, moves + 2, begin, span)
    deal = SimulatedDeal(
        number=number,
        title=f"Simulated: {random.randint(10, 900)} {random.choice(_GOODS)}",
        amount=Decimal(random.randint(10_000, 9_000_000)) / 100,
        currency=random.choice(("EUR", "USD", "CNY")),
        stage=OPEN_STAGES[0],
        customer=random.randrange(len(_CUSTOMERS)) + 1,
        owner=random.randint(1, 3),
        close_on=(begin + timedelta(days=random.randint(5, 90))).date(),
        created_at=moments[0],
        changed_at=moments[0],
    )
    yield Step(moments[0], deal)
    for place in range(1, moves + 1):
        changed = replace(deal, stage=OPEN_STAGES[min(place, 4)], changed_at=moments[place])
        if random.random() < 0.4:
            changed = replace(changed, amount=deal.amount + Decimal(random.randint(-500, 50_000)) / 100)
        yield Step(moments[place], changed, deal)
        deal = changed
    fate = random.random()
    if fate < 0.1:
        yield Step(moments[-1], replace(deal, deleted=True, changed_at=moments[-1]), deal)
    elif fate < 0.8:
        stage = "won" if fate < 0.5 else "lost"
        yield Step(moments[-1], replace(deal, stage=stage, changed_at=moments[-1]), deal)


def _order(random: Random, number: int, begin: datetime, span: timedelta) -> Iterator[Step]:
    moments = _moments(random, 3, begin, span)
    lines = tuple(_line(random, place + 1) for place in range(random.randint(1, 3)))
    order = SimulatedOrder(
        number=number,
        customer=random.randrange(len(_CUSTOMERS)) + 1,
        currency=random.choice(("EUR", "USD")),
        lines=lines,
        ordered_at=moments[0],
        changed_at=moments[0],
    )
    yield Step(moments[0], order)
    fate = random.random()
    if fate < 0.1:
        yield Step(moments[1], replace(order, cancelled=True, changed_at=moments[1]), order)
        return
    paid = replace(order, paid_at=moments[1], changed_at=moments[1])
    yield Step(moments[1], paid, order)
    if fate < 0.4:
        refunded = replace(paid, refunded=lines[0].price, refunded_at=moments[2], changed_at=moments[2])
        yield Step(moments[2], refunded, paid)


def _line(random: Random, number: int) -> SimulatedLine:
    price = Decimal(random.randint(500, 90_000)) / 100
    return SimulatedLine(number, f"SIM-{random.randint(1, 9)}", random.randint(1, 5), price)


def customer_name(number: int) -> str:
    """The name of a simulated customer, 1 to 4."""
    return _CUSTOMERS[number - 1]
