"""The life of a deal."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from shared.kernel.journal import Assertion, Stamp
from shared.kernel.money import Money
from shared.kernel.period import Calendar
from shared.sales.company import Company, Pipelines
from shared.sales.deal import DealState, DealValue, closing, created_on, deal_life, deal_value, spells
from shared.sales.references import Key, References, View

FIRST = date(2026, 3, 1)
COMPANY = Company(
    Calendar(ZoneInfo("Asia/Shanghai")), "EUR", Pipelines({"default": ("new", "offer"), "short": ("only",)}), FIRST
)
LATER = FIRST + timedelta(days=2)
PRICE = {"amount": "2.50", "currency": "EUR"}
LATER_PRICE = {"amount": "3", "currency": "EUR"}
MAP = {"stages": {"Won": {"stage": "won"}}}


def said(
    hour: int, fields: dict[str, Any], *, ended: bool | None = None, source: str = "/crm", since: date | None = None
) -> Assertion:
    stamp = Stamp(datetime(2026, 3, 1, tzinfo=UTC) + timedelta(hours=hour), 0, source, f"e{hour}")
    return Assertion(stamp, FIRST, fields, ended, since)


VIEW = View(
    References(
        {
            Key("stage-map", "/crm#default"): (said(0, MAP),),
            Key("product", "lamp"): (said(0, {"price": PRICE}), said(1, {"price": LATER_PRICE}, since=LATER)),
        }
    ),
    FIRST,
)


def life(*told: Assertion) -> list[DealState]:
    return deal_life(told, VIEW, COMPANY)


def stages(*told: Assertion) -> list[str]:
    return [state.stage for state in life(*told)]


def test_a_deal_begins_in_the_first_stage_of_its_pipeline() -> None:
    assert stages(said(1, {})) == ["new"]
    assert stages(said(1, {"pipeline_id": "short"})) == ["only"]
    assert stages(said(1, {"pipeline_id": "unheard-of"})) == ["unmapped"]


def test_a_label_is_read_through_the_map_of_whoever_said_it() -> None:
    assert stages(said(1, {"stage": "Won"}), said(2, {}, source="/erp")) == ["won", "won"]
    assert stages(said(1, {"stage": "Won"}), said(2, {"stage": "Won"}, source="/erp")) == ["won", "unmapped"]
    assert stages(said(1, {"stage": "offer"}), said(2, {"stage": None})) == ["offer", "new"]


def test_a_deal_is_open_won_lost_or_no_more() -> None:
    gone, back = said(4, {}, ended=True), said(5, {}, ended=False)
    lived = life(said(1, {}), said(2, {"stage": "won"}), said(3, {"stage": "lost"}), gone, back)
    assert [state.is_open for state in lived] == [True, False, False, False, False]
    assert [state.is_won for state in lived] == [False, True, False, False, False]
    assert [state.is_lost for state in lived] == [False, False, True, False, True]


def test_days_are_business_days() -> None:
    assert [state.day for state in life(said(15, {}), said(16, {}))] == [FIRST, FIRST + timedelta(days=1)]


@pytest.mark.parametrize(
    ("fields", "amount", "estimated"),
    [
        ({"amount": {"amount": "7", "currency": "USD"}, "product_id": "lamp"}, Money(Decimal(7), "USD"), False),
        ({"product_id": "lamp"}, Money(Decimal("2.50"), "EUR"), True),
        ({"product_id": "lamp", "quantity": "4"}, Money(Decimal("10.00"), "EUR"), True),
        ({"product_id": "lamp", "quantity": "0"}, Money(Decimal(0), "EUR"), True),
        ({"product_id": "unknown"}, None, False),
        ({}, None, False),
    ],
)
def test_a_deal_without_an_amount_is_worth_its_list_price(
    fields: dict[str, Any], amount: Money | None, estimated: bool
) -> None:
    assert deal_value(life(said(1, fields))[-1], VIEW, FIRST) == DealValue(amount, estimated)


def test_the_list_price_is_that_of_the_day_that_is_valued_whenever_the_deal_spoke_last() -> None:
    for state in life(said(1, {"product_id": "lamp"}), said(90, {"title": "Lamps"})):
        for day, price in ((LATER - timedelta(days=1), "2.50"), (LATER, "3")):
            assert deal_value(state, VIEW, day).amount == Money(Decimal(price), "EUR")


def test_a_spell_begins_where_the_deal_began_to_stand_as_it_does() -> None:
    told = (
        said(1, {"amount": PRICE}), said(2, {"stage": "offer"}), said(30, {"title": "Lamps", "quantity": "2"}),
        said(60, {"owner_id": "ann"}), said(80, {"stage": "Won"}), said(120, {"owner_id": "bo"}),
    )  # fmt: skip
    found = [(state.since.day, state.stage, end) for state, end in spells(life(*told))]
    march = [date(2026, 3, day) for day in (3, 4)]
    assert found == [(1, "offer", march[0]), (3, "offer", march[1]), (4, "won", date.max)]


def test_a_deal_without_an_amount_stands_anew_with_another_quantity() -> None:
    told = said(1, {"product_id": "lamp"}), said(30, {"quantity": "2"}), said(60, {"quantity": "2"})
    assert [state.since.day for state, _ in spells(life(*told))] == [1, 2]


def test_a_deal_was_created_when_that_is_said_else_when_it_was_first_heard_of() -> None:
    assert created_on(life(said(30, {}), said(60, {}))) == FIRST + timedelta(days=1)
    assert created_on(life(said(30, {}), said(60, {"created_on": "2026-02-01"}))) == date(2026, 2, 1)


def test_a_deal_closed_where_its_present_run_began() -> None:
    won = [said(1, {"stage": "won"}), said(2, {"stage": "lost"}), said(3, {"stage": "won"}), said(4, {"amount": None})]
    found = closing(life(*won))
    assert found is not None
    assert found.since == won[2].stamp.occurred_at


@pytest.mark.parametrize("last", [said(9, {"stage": "offer"}), said(9, {}, ended=True)])
def test_an_open_or_ended_deal_is_not_closed(last: Assertion) -> None:
    assert closing(life(said(1, {"stage": "won"}), last)) is None


def test_a_deal_that_came_back_is_won_again_from_then_on() -> None:
    told = [said(1, {"stage": "won"}), said(2, {}, ended=True), said(3, {}, ended=False)]
    found = closing(life(*told))
    assert found is not None
    assert found.since == told[2].stamp.occurred_at
