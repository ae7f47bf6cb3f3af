"""What documents post: lines with goods, cost and net amounts, and one total each."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.metrics.domain.ledgers import TradeDimensions, TradeMeasures
from services.metrics.handlers import fold
from shared.kernel.journal import Assertion, known, states
from shared.kernel.ledger import Cells
from shared.sales.document import COLLECTIONS
from shared.sales.references import Key, References, View
from tests.unit.metrics_write.company import now, posted, references, said, total, usd
from tests.unit.metrics_write.partition import as_known, told
from tests.unit.metrics_write.stories import COMPANY as STORY_COMPANY
from tests.unit.metrics_write.stories import Told, journals, of_a_product, reference_data, stories

_SETTINGS = settings(max_examples=60)
DAY = date(2026, 3, 10)
BOXES = {"box": {"factor": "12"}}


@pytest.fixture
def goods() -> References:
    return references(
        product={
            "bolt": [
                said("2026-01-01", "1", category="iron", unit="piece", cost=usd("2"), conversions=BOXES),
                said("2026-01-01", "2", since="2026-03-15", cost=usd("3")),
            ]
        },
        customer={"acme": [said("2026-01-01", "1", sector="retail", owner_id="ann", channel_id="web")]},
        member={"ann": [said("2026-01-01", "1", unit_id="north")]},
        organisation_unit={"north": [said("2026-01-01", "1", kind="team")]},
    )  # fmt: skip


def measures(cells: Cells, fact: str, **where: Any) -> TradeMeasures | None:
    found = total(cells, fact, **where)
    return None if found is None else TradeMeasures(*found)  # type: ignore[arg-type]


def line(net: str | None = "100", **fields: Any) -> dict[str, Any]:
    return {"product_id": "bolt", "quantity": "2", **({} if net is None else {"net": usd(net)}), **fields}


def order(event: str = "1", day: str = "2026-03-10", **fields: Any) -> Assertion:
    return said(day, event, **{"customer_id": "acme", "lines": {"1": line()}, **fields})


def test_an_order_posts_its_lines_and_its_total(goods: References) -> None:
    two = {
        "1": line("100"),
        "2": {"product_id": "bolt", "quantity": "5", "unit_price": usd("10"), "discount": usd("4")},
    }
    cells = posted("order", order(lines=two, ordered_on="2026-03-12"), references=goods)
    ordered = measures(cells, "ordered", day=date(2026, 3, 12), product="bolt", category="iron", unit="piece")
    zero = Decimal(0)
    assert ordered == TradeMeasures(0, Decimal(7), Decimal(146), Decimal(146), Decimal(146), Decimal(14), 0, 0, 0, 0)
    assert measures(cells, "order", product=None, unit=None) == TradeMeasures(
        1, zero, Decimal(146), Decimal(146), Decimal(146), zero, 0, 0, 0, 0
    )


def test_an_order_counts_on_the_day_of_its_first_event_unless_it_says_one(goods: References) -> None:
    cells = posted("order", order(), order("2", "2026-03-20", channel_id="shop"), references=goods)
    assert measures(cells, "order", day=DAY, channel="shop") is not None


@pytest.mark.parametrize(("status", "counts"), [("draft", 0), ("confirmed", 1), ("fulfilled", 1), ("cancelled", 0)])
def test_drafts_and_cancelled_orders_count_nothing(goods: References, status: str, counts: int) -> None:
    cells = posted("order", order(), order("2", "2026-03-20", status=status), references=goods)
    found = measures(cells, "order")
    assert (0 if found is None else found.documents) == counts
    before = measures(cells, "ordered", known="2026-03-19")
    assert before is not None
    assert before.value == 100


def test_an_ended_order_counts_nothing_until_it_is_back(goods: References) -> None:
    ended = (order(), said("2026-03-20", "2", ended=True))
    assert measures(posted("order", *ended, references=goods), "ordered") is None
    back = posted("order", *ended, said("2026-03-25", "3", ended=False), references=goods)
    assert measures(back, "ordered") is not None


def test_the_customers_owner_and_channel_stand_in_for_the_documents_own(goods: References) -> None:
    cells = posted("order", order(), references=goods)
    assert measures(cells, "order", member="ann", team="north", channel="web", sector="retail") is not None
    named = posted("order", order(owner_id="bo", channel_id="shop"), references=goods)
    assert measures(named, "order", member="bo", team=None, channel="shop") is not None


def test_units_are_converted_through_dated_factors_only(goods: References) -> None:
    boxes = measures(posted("order", order(lines={"1": line(unit="box")}), references=goods), "ordered", unit="piece")
    assert boxes is not None
    assert [boxes.quantity, boxes.cost, boxes.uncosted] == [24, 48, 0]
    sacks = measures(posted("order", order(lines={"1": line(unit="sack")}), references=goods), "ordered", unit="sack")
    assert sacks is not None
    assert [sacks.quantity, sacks.cost, sacks.uncosted] == [2, 0, 1]


@pytest.mark.parametrize(
    ("kind", "dated"),
    [("order", "ordered_on"), ("shipment", "shipped_on"), ("return", "returned_on"), ("invoice", "issued_on")],
)
@given(st.data())
@_SETTINGS
def test_a_line_is_told_in_its_products_own_unit_where_that_is_known(
    kind: str, dated: str, data: st.DataObject
) -> None:
    """Also one that says no unit or no quantity."""
    story = data.draw(
        of_a_product(kind, {dated: "2026-03-05", "lines": {"1": {"product_id": "bolt", "net": usd("7")}}})
    )
    told_of = reference_data(story)
    view = View(told_of, date.max)
    for key, journal in journals(story).items():
        lines = states(known(journal, date.max), COLLECTIONS)[-1].entries("lines").values()
        for fact, day, dimensions in now(fold(STORY_COMPANY, key, journal, told_of).owed):
            at = TradeDimensions(*dimensions)  # type: ignore[misc]
            if fact in ("ordered", "shipped", "returned", "invoiced") and at.product is not None:
                product = Key("product", at.product)
                own, factor = (view.value(product, name, day) for name in ("unit", "conversions.box.factor"))
                said_units = {one.get("unit") for one in lines if one.get("product_id") == at.product}
                assert at.unit in {own if factor or unit is None else unit for unit in said_units if own} or not own


def test_a_line_without_a_quantity_has_its_products_unit_too(goods: References) -> None:
    price_only = {"product_id": "bolt", "net": usd("9")}
    cells = posted("order", order(lines={"1": price_only, "2": price_only | {"unit": "box"}}), references=goods)
    found = measures(cells, "ordered", unit="piece")
    assert found is not None
    assert [found.value, found.quantity, found.cost, found.uncosted] == [18, 0, 0, 0]
    assert measures(cells, "ordered", unit=None) is None
    assert measures(cells, "ordered", unit="box") is None


def test_the_cost_is_that_of_the_documents_day(goods: References) -> None:
    for day, cost in (("2026-03-14", 4), ("2026-03-15", 6)):
        found = measures(posted("order", order(ordered_on=day), references=goods), "ordered")
        assert found is not None
        assert found.cost == cost


def test_what_moves_no_goods_has_no_cost(goods: References) -> None:
    for free in ({"net": usd("9")}, line("9", quantity="0"), {"net": usd("9"), "quantity": "3"}):
        found = measures(posted("order", order(lines={"1": free}), references=goods), "ordered")
        assert found is not None
        assert [found.value, found.cost, found.uncosted] == [9, 0, int(free.get("quantity") == "3")]


def test_what_has_no_value_no_cost_or_no_rate_is_counted(goods: References) -> None:
    unvalued = posted("order", order(lines={"1": line(None), "2": line("5", product_id="nut")}), references=goods)
    assert measures(unvalued, "ordered", product="bolt") == TradeMeasures(
        0, Decimal(2), Decimal(0), Decimal(0), Decimal(0), Decimal(4), 1, 0, 0, 0
    )
    nut = measures(unvalued, "ordered", product="nut")
    assert nut is not None
    assert nut.uncosted == 1
    whole = measures(unvalued, "order")
    assert whole is not None
    assert [whole.documents, whole.value, whole.unvalued] == [1, 5, 1]
    foreign = measures(posted("order", order(lines={"1": {"net": {"amount": "9", "currency": "EUR"}}})), "ordered")
    assert foreign == TradeMeasures(0, Decimal(0), Decimal(0), Decimal(0), Decimal(9), Decimal(0), 0, 1, 1, 0)


@pytest.mark.parametrize(
    ("kind", "dated", "fact"), [("shipment", "shipped_on", "shipped"), ("return", "returned_on", "returned")]
)
def test_goods_count_on_the_day_they_moved(goods: References, kind: str, dated: str, fact: str) -> None:
    moved = order(lines={"1": line("100", tax=usd("19"))}, **{dated: "2026-03-12"})
    cells = posted(kind, moved, references=goods)
    found = measures(cells, fact, day=date(2026, 3, 12), product="bolt", document=kind)
    assert found is not None
    assert [found.quantity, found.value, found.cost] == [2, 100, 4]
    owed = measures(cells, f"billable-{fact}", product=None)
    assert owed is not None
    assert [owed.documents, owed.quantity, owed.value] == [1, 0, 119]
    assert posted(kind, order(), references=goods) == {}


def test_an_invoice_posts_what_its_header_says_beyond_the_lines(goods: References) -> None:
    invoice = order(lines={"1": line("100")}, issued_on="2026-03-12", net=usd("107"), tax=usd("13"), gross=usd("120"))
    cells = posted("invoice", invoice, references=goods)
    bolts, freight = measures(cells, "invoiced", product="bolt"), measures(cells, "invoiced", product=None)
    assert bolts is not None
    assert freight is not None
    assert [bolts.value, freight.value, freight.quantity, freight.uncosted] == [100, 7, 0, 0]
    owed = measures(cells, "billable-invoiced")
    assert owed is not None
    assert [owed.documents, owed.value] == [1, 120]


@pytest.mark.parametrize(
    ("header", "net", "gross"),
    [
        ({}, 100, 110),
        ({"tax": usd("7")}, 100, 107),
        ({"net": usd("90")}, 90, 100),
        ({"gross": usd("99")}, 100, 99),
        ({"gross": usd("99"), "tax": usd("9")}, 90, 99),
        ({"net": usd("90"), "tax": usd("5")}, 90, 95),
    ],
)
def test_what_an_invoice_leaves_unsaid_follows(goods: References, header: dict[str, Any], net: int, gross: int) -> None:
    invoice = order(lines={"1": line("100", tax=usd("10"))}, issued_on="2026-03-12", **header)
    cells = posted("invoice", invoice, references=goods)
    lines, owed = measures(cells, "invoiced"), measures(cells, "billable-invoiced")
    assert lines is not None
    assert owed is not None
    assert [lines.value, owed.value, owed.unvalued] == [net, gross, 0]


@pytest.mark.parametrize(
    ("reason", "fact", "quantity", "cost"),
    [
        ("return", "credited-return", 2, 4),
        ("allowance", "credited-allowance", 0, 0),
        ("correction", "credited-correction", 2, 4),
        (None, "credited-correction", 2, 4),
    ],
)
def test_a_credit_note_is_kept_by_its_reason(
    goods: References, reason: str | None, fact: str, quantity: int, cost: int
) -> None:
    cells = posted("credit-note", order(issued_on="2026-03-12", reason=reason), references=goods)
    found, owed = measures(cells, fact), measures(cells, "billable-credited")
    assert found is not None
    assert owed is not None
    assert [found.value, found.quantity, found.cost, found.uncosted] == [100, quantity, cost, 0]
    assert owed.value == 100
    assert {cell.fact for cell in cells} == {fact, "billable-credited"}


@given(stories("order", "shipment", "return", "invoice", "credit-note"))
@_SETTINGS
def test_a_documents_lines_come_to_its_total_where_no_tax_is_said(story: list[Told]) -> None:
    """In each currency, whatever contradictions it is made of; and every document is counted once."""
    sums: dict[tuple[str, str | None], Decimal] = {}
    documents: dict[str, int] = {}
    for (_, _, fact, dimensions), found in as_known(told(story)).items():
        at, of = TradeDimensions(*dimensions), TradeMeasures(*found)  # type: ignore[arg-type]
        whole = fact == "order"
        if fact in ("order", "ordered"):
            key = (at.document, at.currency)
            sums[key] = sums.get(key, Decimal(0)) + (of.original if whole else -of.original)
        documents[fact] = documents.get(fact, 0) + of.documents
    assert not any(sums.values())
    names = {event.key for event in story if not event.is_reference}
    for fact, kind in (("order", "order"), ("billable-invoiced", "invoice"), ("billable-credited", "credit-note")):
        assert 0 <= documents.get(fact, 0) <= sum(1 for key in names if key.kind == kind)
