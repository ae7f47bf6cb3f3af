"""What is told about an alert: the fact on `metrics-alerts`, the webhook's body, the alerts for Alertmanager. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.metrics.domain.alerts import StoredRule, Transition
from services.metrics.domain.inquiry import names
from services.metrics.domain.kpis import CATALOGUE
from shared.contracts.records import Fact
from shared.http.answers import duration_text, encode
from shared.kernel.money import plain

TOPIC = "metrics-alerts"
_SOURCE = "/quintant/metrics"


@dataclass(frozen=True, slots=True)
class Burning:
    """An episode that fires, or ended a moment ago, as Alertmanager is told."""

    rule: StoredRule
    fired_at: datetime
    ends_at: datetime


def rule_body(stored: StoredRule) -> dict[str, Any]:
    """A rule as it was made, with its life."""
    rule = stored.rule
    return {
        "id": stored.id,
        "title": rule.title,
        "kpi": rule.kpi,
        "filters": {dimension: names(members) for dimension, members in rule.where.items()},
        "window": rule.window,
        "basis": rule.basis,
        "related": rule.related,
        "statistic": rule.statistic,
        "comparison": rule.comparison,
        "fire": plain(rule.fire),
        "clear": plain(rule.clear),
        "for": duration_text(rule.hold),
        "severity": rule.severity,
        "receivers": list(rule.receivers),
        "state": stored.last.state if stored.last else "ok",
        "created_at": stored.created_at,
        "created_by": stored.created_by,
        "disabled_at": stored.disabled_at,
    }


def transition_body(transition: Transition) -> dict[str, Any]:
    """One step of an episode."""
    return {
        "state": transition.state,
        "at": transition.at,
        "value": None if transition.value is None else plain(transition.value),
        "complete_through": transition.complete_through,
        "by": transition.caller,
    }


def fact(stored: StoredRule, transition: Transition) -> Fact:
    """A step for outside listeners. Its id names the step, so that repeating it is seen."""
    return Fact(
        type=event_type(transition),
        source=_SOURCE,
        id=fact_id(transition),
        subject=transition.episode,
        time=transition.at,
        data=encode(told(stored, transition)),
    )


def fact_id(transition: Transition) -> str:
    """No full stop: Standard Webhooks forbids it in an id."""
    return f"{transition.rule}-{transition.sequence}"


def event_type(transition: Transition) -> str:
    """CloudEvents type of a step."""
    return f"io.quintant.alert.{transition.state}.v1"


def webhook_body(stored: StoredRule, transition: Transition) -> bytes:
    """Type, time and data, as Standard Webhooks recommends."""
    body = {"type": event_type(transition), "timestamp": transition.at, "data": told(stored, transition)}
    return encode(body)


def told(stored: StoredRule, transition: Transition) -> dict[str, Any]:
    """The step and its rule; no names of persons, only their ids."""
    rule = rule_body(stored)
    kept = ("title", "kpi", "filters", "window", "statistic", "comparison", "fire", "clear", "for", "severity")
    kpi = CATALOGUE.get(stored.rule.kpi)
    return {
        "episode": transition.episode,
        "rule": stored.id,
        "sequence": transition.sequence,
        **{name: rule[name] for name in kept},
        "unit": kpi.unit if kpi else None,
        **transition_body(transition),
    }


def alertmanager_body(burning: Sequence[Burning]) -> bytes:
    """The array of API v2. Labels make an alert's identity, so they hold what does not change while it fires."""
    return encode([_alert(one) for one in burning])


def _alert(one: Burning) -> dict[str, Any]:
    rule, last = one.rule.rule, one.rule.last
    labels = {"alertname": "QuintantKpi", "rule": one.rule.id, "kpi": rule.kpi, "severity": rule.severity.value}
    labels |= {dimension: "|".join(names(members)) for dimension, members in rule.where.items()}
    value = None if last is None or last.value is None else plain(last.value)
    beyond = f"{rule.comparison} {plain(rule.fire)}"
    description = (
        f"{rule.kpi} is {value or 'unknown'} ({rule.window}); it fires {beyond}, clears at {plain(rule.clear)}"
    )
    return {
        "labels": labels,
        "annotations": {"summary": rule.title, "description": description},
        "startsAt": one.fired_at,
        "endsAt": one.ends_at,
    }
