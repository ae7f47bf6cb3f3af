"""Targets as reference events say them: what a KPI should reach in a period, for a slice of the company."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from services.metrics.domain.inquiry import Asked
from shared.kernel.journal import Journal, State, known, states
from shared.kernel.period import ALWAYS, Period
from shared.sales.lookup import day_of, decimal


@dataclass(frozen=True, slots=True)
class Target:
    """One target, as known on one day."""

    id: str
    kpi: str
    period: Period
    where: Mapping[str, str]
    value: Decimal
    currency: str | None
    title: str | None
    owner: str | None

    def asked(self, known_at: date | None) -> Asked:
        """The number that it is about."""
        where = {dimension: (value,) for dimension, value in self.where.items()}
        return Asked(start=self.period.start, end=self.period.end, where=where, known_at=known_at)


def target_of(target_id: str, journal: Journal, known_at: date) -> Target | None:
    """The target as known at the end of that day; None if it had ended or was not complete.

    Of values said for different dates the one that holds from the latest date counts, then the one said last.
    """
    assertions = sorted(known(journal, known_at), key=lambda one: (one.since or ALWAYS, one.stamp))
    lived = states(assertions)
    return None if not lived or lived[-1].ended else _complete(target_id, lived[-1])


def _complete(target_id: str, said: State) -> Target | None:
    kpi, value = said.text("kpi"), decimal(said.fields.get("value"))
    start, end = day_of(said.fields.get("period_start")), day_of(said.fields.get("period_end"))
    if kpi is None or value is None or start is None or end is None or end < start:
        return None
    where = said.fields.get("slice")
    return Target(
        target_id,
        kpi,
        Period(start, end),
        {name: str(member) for name, member in where.items()} if isinstance(where, Mapping) else {},
        value,
        said.text("currency"),
        said.text("title"),
        said.text("owner_id"),
    )
