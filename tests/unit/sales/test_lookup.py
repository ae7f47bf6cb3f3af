"""What every fold asks of reference data, in the same words."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from shared.kernel.journal import Assertion, Stamp, Value
from shared.kernel.money import Money
from shared.kernel.period import Calendar
from shared.sales import lookup
from shared.sales.company import UNMAPPED, Company, Pipelines
from shared.sales.lookup import Buyer, Seat
from shared.sales.references import Key, References, View

DAY = date(2026, 3, 1)
LATER = date(2026, 4, 1)
COMPANY = Company(Calendar(ZoneInfo("UTC")), "EUR", Pipelines(), constant_rate_on=DAY)


def view(*told: tuple[str, str, dict[str, Any]], since: dict[str, date] | None = None) -> View:
    """References of which each says one thing, for ever or since a date."""
    stamps = (Stamp(datetime(2026, 1, 1, n, tzinfo=UTC), 0, "/crm", str(n)) for n in range(24))
    journals: dict[Key, tuple[Assertion, ...]] = {}
    for (kind, entity_id, fields), stamp in zip(told, stamps, strict=False):
        one = Assertion(stamp, DAY, fields, since=(since or {}).get(entity_id))
        journals[Key(kind, entity_id)] = (*journals.get(Key(kind, entity_id), ()), one)
    return View(References(journals), DAY)


def units(**kinds: str | None) -> list[tuple[str, str, dict[str, Any]]]:
    """A chain of units, each below the next."""
    names = [*kinds, None]
    return [
        ("organisation-unit", name, {"kind": kind, "parent_id": parent, "manager_id": f"head-of-{name}"})
        for (name, kind), parent in zip(kinds.items(), names[1:], strict=True)
    ]


def test_a_seat_is_the_nearest_team_its_manager_and_the_nearest_region_above() -> None:
    chain = units(desk="other", north="team", sales="team", emea="region", all="region")
    seen = view(("member", "ann", {"unit_id": "desk"}), *chain)
    assert lookup.seat_of(seen, "ann", DAY) == Seat("ann", "north", "head-of-north", "emea")


def test_a_seat_may_have_no_unit_no_team_and_no_region() -> None:
    assert lookup.seat_of(view(), None, DAY) == Seat(None, None, None, None)
    assert lookup.seat_of(view(), "ann", DAY) == Seat("ann", None, None, None)
    assert lookup.seat_of(view(("member", "ann", {"unit_id": "gone"})), "ann", DAY) == Seat("ann", None, None, None)


def test_a_loop_of_units_ends() -> None:
    told = [("organisation-unit", "a", {"parent_id": "b"}), ("organisation-unit", "b", {"parent_id": "a"})]
    assert lookup.seat_of(view(("member", "ann", {"unit_id": "a"}), *told), "ann", DAY) == Seat("ann", None, None, None)


def test_a_buyer_is_the_customer_that_survives_the_merges() -> None:
    seen = view(
        ("alias", "customer:a", {"into_id": "b"}),
        ("alias", "customer:b", {"into_id": "c"}),
        ("customer", "c", {"sector": "retail", "related_party": True}),
    )
    assert lookup.buyer_of(seen, "a", DAY) == Buyer("c", "retail", related=True)
    assert lookup.buyer_of(seen, "z", DAY) == Buyer("z", None, related=False)
    assert lookup.buyer_of(seen, None, DAY) == Buyer(None, None, related=False)


def test_a_loop_of_merges_ends() -> None:
    seen = view(("alias", "customer:a", {"into_id": "b"}), ("alias", "customer:b", {"into_id": "a"}))
    assert lookup.buyer_of(seen, "a", DAY).customer in ("a", "b")


def test_a_merge_that_was_taken_back_merges_nothing() -> None:
    seen = view(("alias", "customer:a", {"into_id": "b"}), ("alias", "customer:a", {"into_id": None}))
    assert lookup.buyer_of(seen, "a", DAY).customer == "a"


def test_a_product_has_a_category_a_unit_a_price_and_a_cost() -> None:
    price, cost = ({"amount": amount, "currency": "EUR"} for amount in ("2.50", "1"))
    seen = view(("product", "lamp", {"category": "light", "unit": "piece", "price": price, "cost": cost}))
    assert lookup.category_of(seen, "lamp", DAY) == "light"
    assert lookup.unit_of(seen, "lamp", DAY) == "piece"
    assert lookup.price_of(seen, "lamp", DAY) == Money(Decimal("2.50"), "EUR")
    assert lookup.cost_of(seen, "lamp", DAY) == Money(Decimal(1), "EUR")
    assert (lookup.category_of(seen, None, DAY), lookup.unit_of(seen, None, DAY)) == (None, None)


def test_a_rate_is_said_for_the_pair_or_the_inverse_of_the_opposite() -> None:
    seen = view(("exchange-rate", "spot:USD/EUR", {"rate": "0.8"}), ("exchange-rate", "spot:EUR/CNY", {"rate": "8"}))
    assert lookup.rate_of(seen, "EUR", "EUR", DAY) == 1
    assert lookup.rate_of(seen, "USD", "EUR", DAY) == Decimal("0.8")
    assert lookup.rate_of(seen, "CNY", "EUR", DAY) == Decimal("0.125")
    assert lookup.rate_of(seen, "GBP", "EUR", DAY) is None
    assert lookup.rate_of(seen, "USD", "EUR", DAY, "month_book") is None
    assert Key("exchange-rate", "spot:EUR/GBP") in seen.asked


def test_an_amount_without_a_rate_is_unconverted_and_not_zero() -> None:
    seen = view(("exchange-rate", "spot:USD/EUR", {"rate": "0.8"}), since={"spot:USD/EUR": LATER})
    amount = Money(Decimal(10), "USD")
    assert lookup.converted(seen, amount, COMPANY, DAY) == lookup.Converted(amount, None, None)
    assert lookup.converted(seen, amount, COMPANY, LATER) == lookup.Converted(amount, Decimal("8.0"), None)


def test_nothing_is_nothing_in_every_currency() -> None:
    nothing = Money(Decimal("0.00"), "USD")
    assert lookup.converted(view(), nothing, COMPANY, DAY) == lookup.Converted(nothing, Decimal(0), Decimal(0))


def test_a_stage_is_read_through_the_map_of_its_source_and_pipeline() -> None:
    seen = view(("stage-map", "/crm#default", {"stages": {"Gewonnen": {"stage": "won"}, "Odd": {"stage": "nowhere"}}}))

    def stage(label: str, source: str = "/crm", pipeline: str = "default") -> str:
        return lookup.stage_of(seen, COMPANY, source=source, pipeline=pipeline, label=label, day=DAY)

    assert (stage("Gewonnen"), stage("qualification"), stage("lost")) == ("won", "qualification", "lost")
    unheard_of = (stage("Odd"), stage("Verloren"), stage("Gewonnen", "/erp"), stage("qualification", pipeline="x"))
    assert set(unheard_of) == {UNMAPPED}


@pytest.mark.parametrize("value", [None, "1", 1, True, {}, {"amount": 1, "currency": "EUR"}, {"amount": "1"}])
def test_what_is_no_money_is_none(value: Value) -> None:
    assert lookup.money(value) is None


def test_plain_values_are_read_or_none() -> None:
    assert [lookup.decimal(value) for value in ("1.5", 2, True, None)] == [Decimal("1.5"), Decimal(2), None, None]
    assert [lookup.day_of(value) for value in ("2026-03-01", None, 1)] == [DAY, None, None]
    assert [lookup.pipeline_of(value) for value in ("tenders", None)] == ["tenders", "default"]


def test_a_pipeline_ranks_its_stages() -> None:
    pipelines = Pipelines({"short": ("a", "b")})
    ranks = [pipelines.ranks("short").get(stage) for stage in ("a", "b", "won", "lost", UNMAPPED)]
    assert ranks == [0, 1, 2, None, None]
    assert pipelines.ranks("unheard-of") == {"won": 0}
    assert [pipelines.knows("short", stage) for stage in ("a", "won", "lost", "c")] == [True, True, True, False]
