"""Facts under stable ids, and bodies of answers."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from services.pipeline.domain.facts import Facts, entry_of
from services.pipeline.domain.visits import Visit
from services.pipeline.wire import Sums, funnel_body, money, pipelines_body, stage_changed
from shared.contracts.records import Fact
from tests.unit.pipeline.stories import company

AT = datetime(2026, 3, 1, 9, tzinfo=UTC)
FACTS = Facts(
    "default", "proposal", "open", Decimal("1.50"), "USD", Decimal("1.5"), False, "ann", None, None, None, None, None,
    None, None, None, None, "A", date(2026, 3, 1), AT, 0, "/crm", "e-1", date(2026, 3, 2),
)  # fmt: skip
_CAME = FACTS._replace(
    stage="won", outcome="won", amount=Decimal("10.50"), currency="EUR", entered_known_on=date(2026, 3, 2)
)


def won(came_from: str | None = "proposal", **other: Any) -> Visit:
    facts = _CAME._replace(**other)
    return Visit(entry_of(facts), came_from, facts, None)


def test_a_stage_change_is_a_cloud_event_that_can_be_read_again() -> None:
    message = stage_changed("D-1", won())
    headers = [(name, text.encode()) for name, text in message.headers.items()]
    fact = Fact.decode(message.key.encode(), message.value, headers)
    assert (message.topic, message.key, fact.subject, fact.time) == ("pipeline-events", "D-1", "D-1", AT)
    assert fact.type == "io.quintant.deal.stage-changed.v1"
    assert msgspec.json.decode(fact.data) == {
        "deal_id": "D-1",
        "pipeline": "default",
        "from": "proposal",
        "to": "won",
        "outcome": "won",
        "amount": {"amount": "10.5", "currency": "EUR"},
        "estimated": False,
        "event": {"source": "/crm", "id": "e-1"},
        "known_on": "2026-03-02",
    }


@pytest.mark.parametrize(
    "other",
    [
        won(stage="lost", outcome="lost"),
        won(entered_event_id="e-2"),
        won(entered_source="/erp"),
    ],
)
def test_another_transition_has_another_id(other: Visit) -> None:
    assert stage_changed("D-1", other).headers["ce_id"] != stage_changed("D-1", won()).headers["ce_id"]


def test_the_id_is_of_the_deal_the_event_and_the_stage_only() -> None:
    """A late event may change where a deal came from and what it was worth: the fact is still the same one."""
    told_again = won(None, amount=None, currency=None, entered_sequence=4)
    assert stage_changed("D-1", told_again).headers["ce_id"] == stage_changed("D-1", won()).headers["ce_id"]
    assert stage_changed("D-2", won()).headers["ce_id"] != stage_changed("D-1", won()).headers["ce_id"]


def test_an_ended_deal_goes_nowhere() -> None:
    message = stage_changed("D-1", won(stage="proposal", outcome="ended"))
    assert msgspec.json.decode(message.value)["to"] is None


@pytest.mark.parametrize(
    ("amount", "text"),
    [("1234.50", "1234.5"), ("0.0000005", "0"), ("0.0000015", "0.000002"), ("-0.00", "0"), ("1E+3", "1000")],
)
def test_money_is_rounded_half_even_once_at_the_edge(amount: str, text: str) -> None:
    assert money(Decimal(amount), "USD") == {"amount": text, "currency": "USD"}


def test_no_amount_is_no_money() -> None:
    assert money(None, "USD") is None


def test_the_funnel_lists_every_configured_stage_and_what_else_there_is() -> None:
    sums = [
        Sums("default", "proposal", "open", 2, Decimal("3.5"), 1, 1, 0),
        Sums("default", "unmapped", "open", 1, Decimal(1), 0, 0, 1),
        Sums("default", "won", "won", 4, Decimal(8)),
        Sums("unheard-of", "unmapped", "open", 1),
        Sums("default", "proposal", "ended", 9, Decimal(9)),
    ]
    default, other = funnel_body(sums, company(), ["default"])
    assert [(one["stage"], one["count"]) for one in default["stages"]] == [
        ("prospecting", 0),
        ("qualification", 0),
        ("proposal", 2),
    ]
    assert default["stages"][2]["value"] == {"amount": "3.5", "currency": "USD"}
    assert (default["unmapped"]["count"], default["unmapped"]["unvalued"]) == (1, 1)
    assert (default["open"]["count"], default["open"]["value"]["amount"]) == (3, "4.5")
    assert (default["won"]["count"], default["lost"]["count"]) == (4, 0)
    assert (other["pipeline"], other["stages"], other["unmapped"]["count"]) == ("unheard-of", [], 1)


def test_a_funnel_without_unmapped_deals_does_not_mention_them() -> None:
    [renewals] = funnel_body([], company(), ["renewals"])
    assert "unmapped" not in renewals
    assert [one["stage"] for one in renewals["stages"]] == ["notice", "proposal"]


def test_pipelines_are_listed_in_the_order_of_their_stages() -> None:
    renewals: dict[str, Any] = pipelines_body(company().pipelines)[1]
    assert [(one["stage"], one["rank"]) for one in renewals["stages"]] == [
        ("notice", 0),
        ("proposal", 1),
        ("won", 2),
        ("lost", None),
    ]
