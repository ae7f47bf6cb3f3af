"""A source's simulator tells the story: what comes out of its deliveries agrees with what happened.

Each thing is told alone, so its own source's ids do not matter; what a delivery asks to be read is read from what the
simulator's API would show at that moment.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any

import msgspec

from services.ingest import wire
from services.ingest.domain.candidates import Candidate
from services.ingest.sources.adapter import Account, Card, Delivery, Record, ToRead
from services.ingest.sources.story import SimulatedDeal, SimulatedOrder, Simulator, Step, endings, told
from shared.contracts.envelope import Event
from shared.contracts.strict_json import dumped
from shared.kernel.errors import QuintantError
from tests.contract.sources.cases import Source

_BEGIN = datetime(2026, 3, 2, 9, tzinfo=UTC)
_THINGS = 12
State = dict[str, Any]


def check_simulator(source: Source) -> None:
    """Every delivery is genuine, every event valid, and the last state of each thing is the story's."""
    assert (source.folder / "simulator.py").is_file(), source.at("simulator.py", "is missing")
    simulator: Simulator = source.module("simulator").SIMULATOR
    account = account_of_source(source)
    steps = told(simulator.subject, seed=7, things=_THINGS, begin=_BEGIN, span=timedelta(hours=6))
    assert told(simulator.subject, seed=7, things=_THINGS, begin=_BEGIN, span=timedelta(hours=6)) == steps
    ended = endings(steps, steps[-1].at + timedelta(hours=1))
    subjects: set[str] = set()
    for number, told_of in _by_thing(steps):
        teller = Teller(source, simulator, account)
        states = teller.states(told_of)
        check_thing(source, told_of[-1], states)
        own = {key[1] for key in states if key[0] in ("deal", "order", "payment")}
        assert not own & subjects, source.at("simulator.py", f"{number} has an id of another thing: {own & subjects}")
        subjects |= own
        taken_away = [step for step in ended if step.now.number == number]
        if taken_away:
            check_thing(source, taken_away[-1], teller.states([*told_of, *taken_away]))


def account_of_source(source: Source) -> Account:
    """Secrets and settings of the first example that has any."""
    for file, example in source.examples():
        if example.account.secrets and example.request:
            return replace(example.account_of(source, file), secrets=tuple(example.account.secrets[:1]))
    for file, example in source.examples():
        return example.account_of(source, file)
    raise AssertionError(source.at("examples/", "has no *.json"))


def _by_thing(steps: Iterable[Step]) -> Iterator[tuple[int, list[Step]]]:
    ordered = sorted(steps, key=lambda step: step.now.number)
    for number, group in groupby(ordered, key=lambda step: step.now.number):
        yield number, sorted(group, key=lambda step: step.at)


class Teller:
    """Tells steps to the adapter and gathers what it says."""

    def __init__(self, source: Source, simulator: Simulator, account: Account) -> None:
        self._source = source
        self._simulator = simulator
        self._account = account

    def states(self, steps: list[Step]) -> Mapping[tuple[str, str], State]:
        """By (entity, subject), fields read as last writer wins."""
        candidates = [candidate for step in steps for candidate in self._said(step)]
        return _states(candidates)

    def _said(self, step: Step) -> Iterator[Candidate]:
        sent_at = step.at + timedelta(seconds=1)
        deliveries = self._simulator.deliveries(step, self._account, sent_at)
        assert deliveries, self._at(f"sends nothing for {step}")
        for signed in deliveries:
            delivery = Delivery(
                {name.lower(): value for name, value in signed.headers.items()},
                signed.body,
                sent_at,
                signed.method,
                key=signed.path_key,
                url=self._url(signed.path_key),
            )
            yield from self._taken(delivery, step, sent_at)

    def _url(self, key: str) -> str:
        return f"https://quintant.example/v1/webhooks/{self._account.name}" + (f"/{key}" if key else "")

    def _taken(self, delivery: Delivery, step: Step, sent_at: datetime) -> Iterator[Candidate]:
        refusal = self._source.adapter.verify(delivery, self._account)
        assert refusal is None, self._at(f"its delivery is refused as {refusal}: {delivery.headers} {delivery.body!r}")
        try:
            reading = self._source.adapter.adapt(delivery, self._account)
            assert not reading.unknown, self._at(f"the adapter does not know {reading.unknown}")
            for event in reading.events:
                assert isinstance(event, Event), self._at(f"an event is refused: {event}")
                yield wire.candidate_of(event)
            for wanted in reading.reads:
                for event in self._source.adapter.read(self._record(wanted, step, sent_at), self._account):
                    yield wire.candidate_of(event)
        except QuintantError as error:
            raise AssertionError(self._at(f"{error.detail} {error.faults} in {delivery.body!r}")) from error

    def _record(self, wanted: ToRead, step: Step, at: datetime) -> Record:
        for shown in self._simulator.shown(step.now):
            if (shown.kind, shown.id) == (wanted.kind, wanted.id):
                body = _written(shown.body)
                return Record(wanted.kind, wanted.id, at, body, cause=wanted.cause)
        return Record(wanted.kind, wanted.id, at, b"", gone=True, cause=wanted.cause)

    def _at(self, what: str) -> str:
        return self._source.at("simulator.py", what)


def _written(body: object) -> bytes:
    """Decimals as numbers, as an API would write them, if a simulator shows them so."""
    return dumped(msgspec.to_builtins(body, builtin_types=(Decimal,), str_keys=True))


def _states(candidates: Iterable[Candidate]) -> dict[tuple[str, str], State]:
    states: dict[tuple[str, str], State] = {}
    for said in sorted(candidates, key=lambda one: (one.occurred_at, one.sequence, one.source, one.id)):
        _merge(states.setdefault((said.entity, said.subject), {}), msgspec.json.decode(said.public))
    return states


def _merge(state: State, said: State) -> None:
    for name, value in said.items():
        if isinstance(value, dict) and isinstance(state.get(name), dict) and "currency" not in value:
            _merge(state[name], value)
        else:
            state[name] = value


def check_thing(source: Source, step: Step, states: Mapping[tuple[str, str], State]) -> None:
    try:
        if isinstance(step.now, SimulatedDeal):
            _check_deal(step.now, states, source.adapter.card)
        else:
            _check_order(step.now, states)
    except AssertionError as error:
        raise AssertionError(source.at("simulator.py", f"{error}\nfor {step.now}\ncomes {states}")) from error


def _check_deal(deal: SimulatedDeal, states: Mapping[tuple[str, str], State], card: Card) -> None:
    (state,) = _all(states, "deal") or [{}]
    assert state.get("ended", False) is deal.deleted, "ended does not agree"
    if deal.deleted:
        return
    assert _money(state.get("amount")) == (deal.amount, deal.currency), "the amount does not agree"
    label = state.get("stage")
    assert card.stages.get(str(label), label) == deal.stage, f"stage {label!r} does not stand for {deal.stage}"
    assert state.get("expected_close_on") == deal.close_on.isoformat(), "the closing date does not agree"


def _check_order(order: SimulatedOrder, states: Mapping[tuple[str, str], State]) -> None:
    orders, payments = _all(states, "order"), _all(states, "payment")
    assert orders or payments or not order.paid_at, "neither an order nor a payment comes"
    for state in orders:
        cancelled = state.get("status") == "cancelled" or state.get("ended") is True
        assert cancelled is order.cancelled, "cancelled does not agree"
        lines = [line for line in state.get("lines", {}).values() if line]
        assert sum((_money(line["net"])[0] for line in lines), Decimal(0)) == order.net or order.cancelled, (
            "net differs"
        )
        assert {_money(line["net"])[1] for line in lines} <= {order.currency}, "the currency differs"
    amounts = {"receipt": Decimal(0), "refund": Decimal(0)}
    for state in payments:
        amount, currency = _money(state["amount"])
        assert currency == order.currency, "the currency of a payment differs"
        amounts[state["kind"]] += amount if state.get("ended") is not True and not state.get("reversed_on") else 0
    if payments:
        assert amounts["receipt"] == (order.net if order.paid_at else 0), "the receipts differ"
        assert amounts["refund"] == order.refunded, "the refunds differ"


def _all(states: Mapping[tuple[str, str], State], entity: str) -> list[State]:
    return [state for (kind, _), state in states.items() if kind == entity]


def _money(value: Any) -> tuple[Decimal, str]:
    return Decimal(str(value["amount"])), str(value["currency"])
