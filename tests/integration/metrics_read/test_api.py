"""The answers of `/v1/kpis`: their shape, and a clear problem for whatever cannot be answered."""

import csv
import io
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.metrics.domain.kpis import CATALOGUE
from shared.kernel.clock import SystemClock
from shared.kernel.journal import Journal, Value
from shared.kernel.tokens import Token
from shared.sales.references import Key
from shared.storage.progress import Mark, save_mark
from shared.storage.waiting import Lookout
from tests.integration.metrics_read.app import READER, Caller, HandClock, application, calling, questions_on
from tests.integration.metrics_read.books import fold_all, open_books, said

APPLIED = datetime(2026, 11, 22, tzinfo=UTC)
IMPORTED = date(2026, 11, 20)


def money(amount: str, currency: str = "USD") -> dict[str, Value]:
    return {"amount": amount, "currency": currency}


def line(product: str, quantity: str, price: dict[str, Value], **more: Value) -> dict[str, Value]:
    return {"product_id": product, "quantity": quantity, "unit_price": price, **more}


def order(day: str, customer: str, lines: dict[str, Value], *, known: date = IMPORTED, **more: Value) -> Journal:
    fields: dict[str, Value] = {"ordered_on": day, "customer_id": customer, "lines": lines, **more}
    return (said("1", date.fromisoformat(day), fields, known=known),)


def document(day: str, dated_by: str, fields: dict[str, Value]) -> Journal:
    return (said("1", date.fromisoformat(day), {dated_by: day, **fields}, known=IMPORTED),)


JOURNALS: dict[Key, Journal] = {
    Key("order", "o1"): order("2026-01-05", "acme", {"1": line("bolt", "10", money("2.50"))}, channel_id="web"),
    Key("order", "o2"): order("2026-02-10", "acme", {"1": line("oil", "3", money("7.10"))}, channel_id="web"),
    Key("order", "o3"): order("2026-02-20", "other", {"1": line("bolt", "4", money("2", "EUR"))}),
    Key("order", "o4"): order("2026-03-01", "sister", {"1": line("bolt", "100", money("2.50"))}),
    Key("order", "o5"): order(
        "2026-02-25", "other", {"1": line("bolt", "1", money("1", "JPY"))}, known=date(2026, 11, 21)
    ),
    Key("return", "r1"): document(
        "2026-02-12", "returned_on",
        {"customer_id": "acme", "lines": {"1": {"product_id": "bolt", "quantity": "1", "net": money("2.50")}}},
    ),
    Key("invoice", "i1"): document("2026-02-01", "issued_on", {"customer_id": "acme", "gross": money("100")}),
    Key("invoice", "i2"): document("2026-02-01", "issued_on", {"customer_id": "other", "gross": money("50", "EUR")}),
    Key("payment", "p1"): document(
        "2026-02-15", "received_on",
        {"customer_id": "acme", "amount": money("30"), "kind": "receipt", "allocations": {"i1": money("20")}},
    ),
    Key("payment", "p2"): document(
        "2026-03-15", "received_on", {"customer_id": "other", "amount": money("50", "EUR"), "kind": "receipt"}
    ),
    Key("payment", "p3"): document(
        "2026-03-15", "received_on",
        {"customer_id": "acme", "amount": money("40"), "kind": "receipt", "instrument": "bill"},
    ),
}  # fmt: skip

REFERENCES: dict[Key, Journal] = {
    Key("product", "bolt"): (said("1", date(2025, 1, 1), {"unit": "piece", "category": "steel", "cost": money("1")}),),
    Key("product", "oil"): (said("1", date(2025, 1, 1), {"unit": "litre", "category": "fluids"}),),
    Key("customer", "sister"): (said("1", date(2025, 1, 1), {"related_party": True}),),
    Key("exchange-rate", "spot:EUR/USD"): (
        said("1", date(2025, 1, 1), {"rate": "1.10"}),
        replace(said("2", date(2025, 1, 1), {"rate": "1.20"}), since=date(2026, 3, 1)),
    ),
}


@pytest.fixture(scope="module")
async def company(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Caller]:
    async with open_books(database_url) as database:
        await fold_all(database, JOURNALS, REFERENCES, at=APPLIED)
        async with database.write() as writer:
            await save_mark(writer, Mark(1, datetime(2026, 11, 21, tzinfo=UTC), {0: 6, 1: 5}))
        app = application(questions_on(database, HandClock(), basis="invoiced"), tmp_path_factory.mktemp("keys"))
        async with calling(app) as caller:
            yield caller


async def test_the_catalogue_says_what_every_number_means(company: Caller) -> None:
    catalogue = await company.get("/v1/kpis")
    assert [item["slug"] for item in catalogue["items"]] == list(CATALOGUE)
    receivables = next(item for item in catalogue["items"] if item["slug"] == "receivables")
    assert receivables["parameters"]["basis"] == {"choices": ["invoiced", "shipped"], "default": "invoiced"}
    assert receivables["title"] == {"en": "Receivables", "zh-CN": "应收账款"}
    assert catalogue["as_of"] == "2026-11-22T00:00:00Z"


async def test_an_answer_says_how_it_came_about(company: Caller) -> None:
    answer = await company.get("/v1/kpis/revenue", from_="2026-01-01", to="2026-12-31", grain="quarter")
    assert {name: answer[name] for name in ("kpi", "unit", "kind", "revision", "currency", "basis", "related")} == {
        "kpi": "revenue", "unit": "money", "kind": "additive", "revision": 1, "currency": "USD", "basis": "ordered",
        "related": "exclude",
    }  # fmt: skip
    assert (answer["complete_through"], answer["events_behind"]) == ("2026-11-21T00:00:00Z", 0)
    assert answer["rows"][0] == {
        "period": {"start": "2026-01-01", "end": "2026-03-31", "name": "2026-Q1"},
        # 25 + 21.30 - 2.50 + 8 EUR at 1.10
        "value": money("52.60"),
        "unvalued": 0,
        "unconverted": 1,
    }
    assert [row["value"] for row in answer["rows"][1:]] == [money("0.00")] * 3


async def test_slices_in_which_nothing_stands_are_left_out(company: Caller) -> None:
    by_channel = await company.by("revenue", "channel", by="channel")
    assert by_channel == {"web": money("46.30"), None: money("6.30")}
    assert await company.by("revenue", "channel", by="channel", filter=["channel:none", "customer:other"]) == {
        None: money("8.80")
    }
    two = await company.get("/v1/kpis/revenue", by="channel,category", grain="month")
    assert [(row["period"]["name"], row["channel"], row["category"]) for row in two["rows"]] == [
        ("2026-01", "web", "steel"),
        ("2026-02", "web", "fluids"),
        ("2026-02", None, "steel"),
    ]


async def test_unlike_units_are_not_summed(company: Caller) -> None:
    problem = await company.get("/v1/kpis/volume", expect=422)
    assert "litre, piece" in problem["detail"]
    assert problem["errors"] == [{"parameter": "by", "reason": "add unit, or filter=unit:<unit>"}]
    assert await company.by("volume", "unit", by="unit") == {"piece": "14", "litre": "3"}
    (row,) = (await company.get("/v1/kpis/volume", filter="category:steel"))["rows"]
    assert (row["value"], row["unit_of_measure"]) == ("14", "piece")


async def test_money_in_three_views(company: Caller) -> None:
    assert await company.value("revenue", filter="currency:EUR") == money("8.80")
    assert await company.value("revenue", filter="currency:EUR", currency_view="original") == money("8.00", "EUR")
    assert await company.value("revenue", filter="currency:EUR", currency_view="constant") == money("8.80")
    rows = await company.by("revenue", "currency", by="currency", currency_view="original")
    assert rows == {"USD": money("43.80"), "EUR": money("8.00", "EUR"), "JPY": money("1.00", "JPY")}


async def test_related_parties_are_a_line_of_their_own(company: Caller) -> None:
    assert await company.value("revenue", related="only") == money("250.00")
    assert await company.by("revenue", "related", by="related", related="include") == {
        False: money("52.60"),
        True: money("250.00"),
    }


async def test_gross_profit_says_what_has_no_cost(company: Caller) -> None:
    (row,) = (await company.get("/v1/kpis/gross-profit"))["rows"]
    # revenue 52.60 less (10 + 4 + 1 - 1) bolts at 1; the oil has no known cost
    assert (row["value"], row["uncosted"]) == (money("38.60"), 1)


async def test_balances_net_each_customer_in_its_own_currency(company: Caller) -> None:
    (owed,) = (await company.get("/v1/kpis/receivables"))["rows"]
    assert (owed["value"], owed["customers"]) == (money("80.00"), 1)
    # 50 EUR invoiced at 1.10 and paid at 1.20: nothing is owed, the rates left 5 dollars
    assert owed["exchange_difference"] == money("-5.00")
    (ahead,) = (await company.get("/v1/kpis/prepayments"))["rows"]
    assert ahead["value"] == money("10.00")
    assert await company.value("receivables", to="2026-02-10") == money("155.00")
    months = await company.by("receivables", "period", from_="2026-01-01", to="2026-03-31", grain="month")
    assert months == {"2026-01": money("0.00"), "2026-02": money("135.00"), "2026-03": money("80.00")}


async def test_bills_are_shown_beside_collections(company: Caller) -> None:
    (row,) = (await company.get("/v1/kpis/collections"))["rows"]
    assert (row["value"], row["bills_pending"]) == (money("90.00"), money("40.00"))


async def test_rows_are_set_beside_another_period(company: Caller) -> None:
    answer = await company.get(
        "/v1/kpis/order-count", from_="2026-02-01", to="2026-02-28", grain="month", compare="previous"
    )
    (row,) = answer["rows"]
    assert row["compared"] == {"period": {"start": "2026-01-01", "end": "2026-01-31", "name": "2026-01"}, "value": 1}
    assert (row["value"], row["change"], row["change_ratio"]) == (3, 2, "2")
    by_customer = await company.get(
        "/v1/kpis/order-count", from_="2026-02-11", to="2026-02-28", compare="previous", by="customer"
    )
    assert [(row["customer"], row["value"], row["compared"]["value"]) for row in by_customer["rows"]] == [
        ("acme", 0, 1),
        ("other", 2, 0),
    ]


async def test_what_has_no_value_has_no_change(company: Caller) -> None:
    answer = await company.get(
        "/v1/kpis/gross-profit-rate", from_="2025-02-01", to="2025-02-28", compare="previous-year"
    )
    (row,) = answer["rows"]
    assert (row["value"], row["change"], row["change_ratio"]) == (None, None, None)
    assert (row["numerator"], row["denominator"]) == (money("0.00"), money("0.00"))


async def test_an_open_range_after_everything_has_no_rows(company: Caller) -> None:
    assert (await company.get("/v1/kpis/revenue", from_="2030-01-01", grain="month"))["rows"] == []
    assert (await company.get("/v1/kpis/revenue", to="2001-01-01", grain="month"))["rows"] == []
    last = await company.get("/v1/kpis/revenue", to="2026-02-15", grain="month")
    assert [row["period"]["end"] for row in last["rows"]] == ["2026-01-31", "2026-02-15"]


async def test_as_known_on_a_past_day(company: Caller) -> None:
    assert await company.value("order-count", known_at="2026-11-20") == 3
    answer = await company.get("/v1/kpis/order-count", known_at="2026-11-20")
    assert answer["reconstructed"] is True
    assert answer["known_at"] == "2026-11-20"
    now = await company.get("/v1/kpis/order-count", known_at="2026-11-21")
    assert now["rows"][0]["value"] == 4
    assert "reconstructed" not in now


async def test_a_time_falls_on_its_business_date(company: Caller) -> None:
    """04:00 on the sixth in Shanghai is the evening of the fifth in London."""
    assert await company.value("order-count", to="2026-01-05T20:00:00+00:00") == 1
    assert await company.value("order-count", to="2026-01-04T15:00:00Z") == 0


async def test_a_table_as_csv(company: Caller) -> None:
    response = await company.http.get(
        "/v1/kpis/revenue", params={"by": "channel", "format": "csv", "compare": "previous", "from": "2026-02-01",
                                    "to": "2026-02-28"}, headers=READER,
    )  # fmt: skip
    assert response.headers["content-type"].startswith("text/csv")
    assert response.headers["quintant-complete-through"] == "2026-11-21T00:00:00Z"
    rows = list(csv.DictReader(io.StringIO(response.text)))
    assert [(row["channel"], row["value_amount"], row["compared_value_amount"]) for row in rows] == [
        ("web", "21.30", "25.00"),
        ("", "6.30", "0.00"),
    ]


async def test_who_has_the_answer_gets_none(company: Caller) -> None:
    first = await company.http.get("/v1/kpis/revenue", headers=READER)
    again = await company.http.get("/v1/kpis/revenue", headers={**READER, "if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    ("path", "parameters", "status", "where"),
    [
        ("/v1/kpis/happiness", {}, 404, None),
        ("/v1/kpis/revenue", {"by": "colour"}, 422, "by"),
        ("/v1/kpis/revenue", {"filter": "colour:red"}, 422, "filter"),
        ("/v1/kpis/revenue", {"filter": "team"}, 422, "filter"),
        ("/v1/kpis/revenue", {"filter": "team:"}, 422, "filter"),
        ("/v1/kpis/revenue", {"filter": "team:a\x00b"}, 422, "filter"),
        ("/v1/kpis/revenue", {"from": "2026-02-01", "to": "2026-01-01"}, 422, "to"),
        ("/v1/kpis/revenue", {"from": "2026-02-01T00:00:00"}, 422, "from"),
        ("/v1/kpis/revenue", {"from": "20260201"}, 422, "from"),
        ("/v1/kpis/revenue", {"from": "1767225600"}, 422, "from"),
        ("/v1/kpis/revenue", {"to": "2026-13-01"}, 422, "to"),
        ("/v1/kpis/revenue", {"known_at": "2026-01-01T00:00:00"}, 422, "known_at"),
        ("/v1/kpis/revenue", {"known_at": "2016-01-01"}, 404, None),
        ("/v1/kpis/revenue", {"grain": "decade"}, 422, "grain"),
        ("/v1/kpis/revenue", {"grain": "day", "from": "1900-01-01", "to": "2199-12-31"}, 413, None),
        ("/v1/kpis/revenue", {"compare": "previous"}, 422, "compare"),
        ("/v1/kpis/revenue", {"currency-view": "original"}, 422, "currency-view"),
        ("/v1/kpis/revenue", {"currency_view": "original"}, 422, "query"),
        ("/v1/kpis/revenue", {"basis": "wished"}, 422, "basis"),
        ("/v1/kpis/revenue", {"related": "maybe"}, 422, "related"),
        ("/v1/kpis/sales-velocity", {"window": "P1M"}, 422, "window"),
        ("/v1/kpis/revenue", {"after": "made-up"}, 400, None),
        ("/v1/kpis/revenue", {"after": Token.of(7, [(0, 1)]).encode()}, 422, "after"),
        ("/v1/kpis/happiness/lineage", {}, 404, None),
        ("/v1/kpis/revenue/lineage", {"by": "team"}, 422, "query"),
        ("/v1/kpis/revenue/lineage", {"cursor": "made-up"}, 400, None),
        ("/v1/kpis/revenue/lineage", {"limit": "0"}, 422, "limit"),
        ("/v1/kpis/stage-conversion/lineage", {}, 422, "filter"),
        ("/v1/targets", {"cursor": "made-up"}, 400, None),
        ("/v1/alerts", {"state": "sleeping"}, 422, "state"),
        ("/v1/alert-rules", {"cursor": "made-up"}, 400, None),
    ],
)
async def test_what_cannot_be_answered_is_a_clear_problem(
    company: Caller, path: str, parameters: dict[str, str], status: int, where: str | None
) -> None:
    response = await company.http.get(path, params=parameters, headers=READER)
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["detail"]
    if where is not None:
        assert where in {error["parameter"].split(".")[0] for error in problem["errors"]}


TEXTS = st.text(max_size=30) | st.sampled_from(
    ["", "none", "team", "team:none", "channel:web", "2026-01-01", "9999-12-31", "-1", "P1D", "day", "csv", "original"]
)
NAMES = ("from", "to", "known_at", "grain", "by", "filter", "compare", "currency-view", "basis", "related", "window",
         "format", "after", "cursor", "limit")  # fmt: skip


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from([*CATALOGUE, "other"]),
    st.sampled_from(["", "/lineage"]),
    st.dictionaries(st.sampled_from(NAMES), TEXTS, max_size=5),
)
async def test_no_text_is_too_strange(company: Caller, slug: str, below: str, parameters: dict[str, str]) -> None:
    """Whatever is asked is answered or refused; the application never raises."""
    response = await company.http.get(f"/v1/kpis/{slug}{below}", params=parameters, headers=READER)
    assert response.status_code in (200, 400, 404, 413, 422), response.text


async def test_a_cursor_of_another_query_is_refused(company: Caller) -> None:
    page = await company.get("/v1/kpis/revenue/lineage", limit=1)
    await company.get("/v1/kpis/revenue/lineage", limit=1, cursor=page["next"], basis="shipped", expect=400)


async def test_two_currencies_in_one_sum_is_its_own_problem(company: Caller) -> None:
    problem = await company.get("/v1/kpis/revenue", currency_view="original", expect=422)
    assert problem["type"] == "urn:quintant:problem:currency-mismatch"


async def test_waiting_for_what_is_not_there_yet_is_bounded(company: Caller, database_url: str, tmp_path: Any) -> None:
    async with open_books(database_url) as database:
        clock = SystemClock()
        lookout = Lookout(database, clock)
        questions = replace(questions_on(database, HandClock()), clock=clock, lookout=lookout, wait_seconds=0.05)
        async with calling(application(questions, tmp_path)) as caller:
            applied = Token.of(1, [(0, 6), (1, 5)]).encode()
            assert await caller.value("order-count", after=applied) == 4
            problem = await caller.get("/v1/kpis/order-count", after=Token.of(1, [(0, 99)]).encode(), expect=504)
            assert problem["events_behind"] == 0


async def test_lineage_leads_to_the_raw_bytes(company: Caller) -> None:
    lineage = await company.get("/v1/kpis/revenue/lineage", filter="channel:web", to="2026-01-31")
    assert (lineage["value"], lineage["revision"]) == (money("25.00"), 1)
    (item,) = lineage["items"]
    assert item["entity"] == {"type": "order", "id": "o1"}
    assert item["contributions"] == {"revenue": money("25.00")}
    (posting,) = item["postings"]
    assert (posting["ledger"], posting["fact"], posting["day"]) == ("trade_postings", "ordered", "2026-01-05")
    assert posting["dimensions"]["product"] == "bolt"
    (event,) = item["events"]
    assert event["ingest"] == f"/v1/events/{quote('/test', safe='')}/1"
    assert {"type": "product", "id": "bolt"} in item["references"]
    (bolt,) = [one for one in lineage["references"] if one["id"] == "bolt"]
    assert [event["id"] for event in bolt["events"]] == ["1"]


async def test_lineage_of_a_balance_lists_who_is_on_its_side(company: Caller) -> None:
    owed = await company.get("/v1/kpis/receivables/lineage")
    assert owed["value"] == money("80.00")
    assert owed["parts"] == {"billed": money("100.00"), "settled": money("-20.00")}
    assert [item["entity"]["id"] for item in owed["items"]] == ["i1", "p1"]
    ahead = await company.get("/v1/kpis/prepayments/lineage")
    assert ahead["value"] == money("10.00")
    assert ahead["parts"]["unclaimed"] == money("10.00")


async def test_every_route_wants_a_key_and_its_scope(company: Caller) -> None:
    for path in ("/v1/kpis", "/v1/kpis/revenue", "/v1/targets", "/v1/alerts", "/v1/alert-rules", "/v1/digest"):
        assert (await company.http.get(path)).status_code == 401
    for path in ("/v1/alert-rules", "/v1/alert-rules/x/disable", "/v1/alerts/x/acknowledge", "/v1/audit"):
        assert (await company.http.post(path)).status_code == 401
        assert (await company.http.post(path, headers=READER, json={})).status_code == 403


async def test_the_books_prove_themselves(company: Caller) -> None:
    digest = await company.get("/v1/digest")
    assert len(digest["sha256"]) == 64
    report = await company.post("/v1/audit")
    assert report["sound"] is True


async def test_nothing_known_is_no_zero(database_url: str, tmp_path: Any, tmp_path_factory: Any) -> None:
    """An empty service does not say that revenue is nothing."""
    async with open_books(database_url) as database:
        async with database.write() as writer:
            await writer.execute("DELETE FROM position")
        async with calling(application(questions_on(database, HandClock()), tmp_path)) as caller:
            problem = await caller.get("/v1/kpis/revenue", expect=404)
            assert problem["type"] == "urn:quintant:problem:not-known"
            await caller.get("/v1/kpis/revenue", known_at="2026-11-22", expect=404)
            assert (await caller.get("/v1/kpis"))["complete_through"] is None
            assert (await caller.get("/v1/targets"))["items"] == []


async def test_the_document_describes_every_route(company: Caller) -> None:
    document = (await company.http.get("/openapi.json", headers=READER)).json()
    assert {path for path in document["paths"] if path.startswith("/v1")} == {
        "/v1/kpis", "/v1/kpis/{slug}", "/v1/kpis/{slug}/lineage", "/v1/targets", "/v1/alert-rules",
        "/v1/alert-rules/{rule}",
        "/v1/alert-rules/{rule}/disable", "/v1/alerts", "/v1/alerts/{episode}/acknowledge", "/v1/digest", "/v1/audit",
    }  # fmt: skip
