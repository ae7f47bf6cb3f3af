"""What people do with alerts, and the one way in which a step of an episode is written: kept, told, to be delivered."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from services.metrics import alert_store, alert_wire
from services.metrics.domain.alerts import (
    Receiver,
    Rule,
    State,
    StoredRule,
    Transition,
    acknowledged,
    asked_by,
    check,
    ended,
)
from services.metrics.domain.inquiry import Inquiry, inquire, must_be_single
from services.metrics.domain.kpis import CATALOGUE
from services.metrics.domain.kpis.declaration import Kpi
from services.metrics.queries.snapshot import Questions
from shared.kernel.errors import Fault, InvalidInputError, NotFoundError
from shared.kernel.ids import derived_id, new_id
from shared.storage.database import Writer
from shared.storage.outbox import append_messages, telling

_DELIVERED = (State.FIRING, State.ACKNOWLEDGED, State.RESOLVED)
"""Nobody is called for what is only pending."""


def receiver_of(url: str) -> str:
    """What a receiver is called in the database: its address may hold a secret."""
    return derived_id("webhook", url)


@dataclass(frozen=True, slots=True)
class Desk:
    """Makes, disables and acknowledges; `webhook` is the receiver's name, None if none is configured."""

    questions: Questions
    webhook: str | None

    async def create(self, rule: Rule, by: str) -> StoredRule:
        """Keep a rule that can work. Raises InvalidInputError for one that cannot."""
        check(rule, _kpi(rule))
        now = self.questions.clock.now()
        inquiry_of(rule, now, self.questions)
        rule_id = new_id()
        async with self.questions.database.write() as writer:
            await alert_store.insert_rule(writer, rule_id, rule, at=now, by=by)
        return StoredRule(rule_id, rule, now, by, None, None)

    async def disable(self, rule_id: str, by: str) -> StoredRule:
        """Disable a rule; a living episode ends with it. Doing it twice changes nothing."""
        now = self.questions.clock.now()
        async with self.questions.database.write() as writer:
            stored = await _rule(writer, rule_id)
            if await alert_store.disable_rule(writer, rule_id, at=now, by=by):
                state = ended(stored.mark)
                if state is not None:
                    await self.step(writer, stored, state, at=now, by=by)
            return await _rule(writer, rule_id)

    async def acknowledge(self, episode: str, by: str) -> tuple[StoredRule, list[Transition]]:
        """Say that somebody looks after it. Raises NotFoundError, ConflictError if it does not fire."""
        now = self.questions.clock.now()
        async with self.questions.database.write() as writer:
            steps = (await alert_store.load_transitions(writer, [episode]))[episode]
            if not steps:
                raise NotFoundError("There is no such episode.")
            stored = await _rule(writer, steps[-1].rule)
            current = StoredRule(stored.id, stored.rule, stored.created_at, stored.created_by, None, steps[-1])
            assert current.mark is not None  # noqa: S101 - there is a step
            step = await self.step(writer, current, acknowledged(current.mark), at=now, by=by)
            return await _rule(writer, stored.id), [*steps, step]

    async def step(
        self, writer: Writer, stored: StoredRule, state: State, *, at: datetime, by: str | None = None,
        value: Decimal | None = None, complete_through: datetime | None = None,
    ) -> Transition:  # fmt: skip
        """Append a step, tell it, queue its deliveries: one transaction. Raises ConflictError if one came between."""
        last = stored.last
        begins = last is None or last.state.is_over
        transition = Transition(
            stored.id,
            1 if last is None else last.sequence + 1,
            new_id() if last is None or begins else last.episode,
            state,
            at,
            value,
            complete_through,
            by,
        )
        await alert_store.append_transition(writer, transition)
        fact = alert_wire.fact(stored, transition)
        await append_messages(writer, [telling(alert_wire.TOPIC, fact)])
        if self.webhook and state in _DELIVERED and Receiver.WEBHOOK in stored.rule.receivers:
            body = alert_wire.webhook_body(stored, transition)
            await alert_store.insert_delivery(writer, fact.id, self.webhook, body, at)
        return transition


def inquiry_of(rule: Rule, now: datetime, questions: Questions) -> Inquiry:
    """The one number that a rule watches at this moment. Raises InvalidInputError if it is not one."""
    kpi, calendar = _kpi(rule), questions.company.calendar
    asked = asked_by(rule, kpi, calendar.day(now), calendar)
    inquiry = inquire(kpi, asked, default_basis=questions.receivable_basis if kpi.basis_setting else "")
    must_be_single(inquiry)
    return inquiry


def _kpi(rule: Rule) -> Kpi:
    kpi = CATALOGUE.get(rule.kpi)
    if kpi is None:
        raise InvalidInputError("There is no such KPI.", faults=[Fault("/kpi", "must be listed by GET /v1/kpis")])
    return kpi


async def _rule(writer: Writer, rule_id: str) -> StoredRule:
    stored = await alert_store.load_rule(writer, rule_id)
    if stored is None:
        raise NotFoundError("There is no such rule.")
    return stored
