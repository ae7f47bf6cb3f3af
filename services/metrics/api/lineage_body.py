"""A page of lineage as JSON, and the positions that its cursor pins. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from services.metrics.api.telling import is_money, said, tell
from services.metrics.domain.evidence import stretches
from services.metrics.domain.inquiry import Inquiry, View
from services.metrics.domain.kpis.declaration import Part, Unit
from services.metrics.queries.contributions import Pinned, Posting
from services.metrics.queries.lineage import Evidence, Lineage
from shared.kernel.journal import Assertion
from shared.kernel.ledger import Number

_MONEY = frozenset({Unit.MONEY, Unit.MONEY_PER_DAY})


def lineage_body(inquiry: Inquiry, base_currency: str, lineage: Lineage) -> dict[str, Any]:
    """The page but its cursor and freshness."""
    currency = inquiry.currency if inquiry.asked.view is View.ORIGINAL else base_currency
    parts = {stretch.part.name: stretch.part for stretch in stretches(inquiry)}
    return {
        "kpi": inquiry.kpi.slug,
        "unit": inquiry.kpi.unit,
        "revision": inquiry.kpi.revision,
        "formula": inquiry.kpi.words,
        **said(inquiry, base_currency),
        "value": tell(lineage.value, money=inquiry.kpi.unit in _MONEY, currency=currency),
        "parts": _parts(parts, lineage.parts, currency),
        "items": [_evidence(parts, one, currency) for one in lineage.evidence],
        "references": [
            {"type": key.kind, "id": key.id, "events": _events(events)} for key, events in lineage.references.items()
        ],
    }


def _evidence(parts: Mapping[str, Part], evidence: Evidence, currency: str | None) -> dict[str, Any]:
    return {
        "entity": {"type": evidence.key.kind, "id": evidence.key.id},
        "contributions": _parts(parts, evidence.contributions, currency),
        "postings": [_posting(parts, one, currency) for one in evidence.postings],
        "events": _events(evidence.events),
        "references": [{"type": key.kind, "id": key.id} for key in evidence.references],
    }


def _posting(parts: Mapping[str, Part], posting: Posting, currency: str | None) -> dict[str, Any]:
    return {
        "ledger": posting.ledger,
        "partition": posting.partition,
        "number": posting.number,
        "known_on": posting.known_on,
        "day": posting.day,
        "fact": posting.fact,
        "dimensions": dict(posting.dimensions),
        "measures": {name: tell(value, money=False, currency=None) for name, value in posting.measures.items()},
        "contributions": _parts(parts, posting.contributions, currency),
    }


def _parts(parts: Mapping[str, Part], numbers: Mapping[str, Number], currency: str | None) -> dict[str, Any]:
    return {name: tell(number, money=is_money(parts[name]), currency=currency) for name, number in numbers.items()}


def _events(events: Sequence[Assertion]) -> list[dict[str, Any]]:
    """Event identities, with the path at which ingest shows the raw bytes."""
    return [
        {
            "source": one.stamp.source,
            "id": one.stamp.event_id,
            "revision": one.revision,
            "occurred_at": one.stamp.occurred_at,
            "known_on": one.known_on,
            "ingest": f"/v1/events/{quote(one.stamp.source, safe='')}/{quote(one.stamp.event_id, safe='')}",
        }
        for one in events
    ]


def encode_pinned(pinned: Pinned) -> str:
    """Positions as text, for a cursor."""
    return ",".join(f"{partition}:{number}" for partition, number in sorted(pinned.items()))


def read_pinned(text: str) -> dict[int, int]:
    """What `encode_pinned` wrote; a cursor's own check has made sure that it did."""
    pairs = (pair.split(":") for pair in text.split(",") if pair)
    return {int(partition): int(number) for partition, number in pairs}
