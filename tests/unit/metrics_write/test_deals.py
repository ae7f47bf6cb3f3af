"""What a deal posts: the stock is what its life says, a win counts once, each stage is reached once."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

from hypothesis import given, settings

from services.metrics.domain.ledgers import DealDimensions, DealMeasures
from services.metrics.handlers import fold
from shared.kernel.journal import State, known
from shared.kernel.ledger import Cells
from shared.sales import lookup
from shared.sales.company import Pipelines
from shared.sales.deal import closing, deal_life
from shared.sales.references import Key, View
from tests.unit.metrics_write.company import COMPANY, now, posted, references, said, total, usd
from tests.unit.metrics_write.partition import as_known, stock, told
from tests.unit.metrics_write.stories import COMPANY as STORY_COMPANY
from tests.unit.metrics_write.stories import Told, days, journals, of_a_product, reference_data, stories

OUTCOMES = ("advanced", "dropped", "undecided")
_SETTINGS = settings(max_examples=60)


def value_of(cells: Cells, fact: str, **where: object) -> tuple[int, str] | None:
    """Count and value of a fact as known now."""
    found = total(cells, fact, **where)  # type: ignore[arg-type]
    if found is None:
        return None
    measures = DealMeasures(*found)  # type: ignore[arg-type]
    return measures.deals, f"{measures.value:f}"


@given(stories("deal"), days)
@_SETTINGS
def test_the_stock_is_what_the_lives_say(story: list[Told], until: date) -> None:
    view = View(reference_data(story), date.max)
    expected: dict[tuple[str, str | None, str | None, str | None, bool], int] = {}
    for journal in journals(story).values():
        lived = [one for one in deal_life(known(journal, date.max), view, STORY_COMPANY) if one.day <= until]
        if lived and lived[-1].is_open:
            state = lived[-1]
            seat = lookup.seat_of(view, state.said.text("owner_id"), until)
            buyer = lookup.buyer_of(view, state.said.text("customer_id"), until)
            place = (state.stage, seat.team, buyer.customer, buyer.sector, buyer.related)
            expected[place] = expected.get(place, 0) + 1
    found: dict[tuple[str, str | None, str | None, str | None, bool], int] = {}
    for dimensions, measures in stock(told(story), "open", until).items():
        at, of = DealDimensions(*dimensions), DealMeasures(*measures)  # type: ignore[arg-type]
        key = (at.stage, at.team, at.customer, at.sector, at.related)
        found[key] = found.get(key, 0) + of.deals
    assert {place: count for place, count in found.items() if count} == expected


@given(stories("deal"))
@_SETTINGS
def test_a_deal_is_created_and_closed_once_if_it_exists(story: list[Told]) -> None:
    view = View(reference_data(story), date.max)
    lives = [deal_life(known(journal, date.max), view, STORY_COMPANY) for journal in journals(story).values()]
    alive = [life for life in lives if life[-1].alive]
    counts: dict[str, int] = {}
    for (_, _, fact, _), measures in as_known(told(story)).items():
        counts[fact] = counts.get(fact, 0) + int(measures[0])
    won = [life for life in alive if life[-1].is_won]
    assert counts.get("created", 0) == len(alive)
    assert counts.get("created-won", 0) == counts.get("won", 0) == len(won)
    assert counts.get("lost", 0) == sum(1 for life in alive if life[-1].is_lost)
    assert all(closing(life) is not None for life in won)


@given(stories("deal"))
@_SETTINGS
def test_of_each_stage_reached_a_deal_tells_once_what_became_of_it(story: list[Told]) -> None:
    view = View(reference_data(story), date.max)
    for key, journal in journals(story).items():
        last = deal_life(known(journal, date.max), view, STORY_COMPANY)[-1]
        cells = now(fold(STORY_COMPANY, key, journal, reference_data(story)).owed)
        outcomes = [(DealDimensions(*where).stage, fact) for fact, _, where in cells if fact in OUTCOMES]  # type: ignore[misc]
        whole = STORY_COMPANY.pipelines.stages.get(last.pipeline, ())
        stages = whole[: len(outcomes)]
        assert sorted(stage for stage, _ in outcomes) == sorted(stages)  # the first ones, each once
        assert last.alive or not stages
        if not stages:
            continue
        *before, final = [dict(outcomes)[stage] for stage in stages]
        assert set(before) <= {"advanced"}
        if last.is_won or final == "advanced":  # also if it is open again
            assert (final, stages) == ("advanced", whole)
        else:
            assert final == ("undecided" if last.is_open else "dropped")


@given(of_a_product("deal", {"product_id": "bolt"}))
@_SETTINGS
def test_a_flow_is_worth_what_its_deal_says_now_or_the_list_price_of_its_own_day(story: list[Told]) -> None:
    view = View(reference_data(story), date.max)
    for key, journal in journals(story).items():
        said = deal_life(known(journal, date.max), view, STORY_COMPANY)[-1].said
        cells = fold(STORY_COMPANY, key, journal, reference_data(story)).owed
        for (fact, day, dimensions), measures in now(cells).items():
            if fact != "open":
                of = DealMeasures(*measures)  # type: ignore[arg-type]
                currency, worth = _worth_on(day, said, view)
                told_in = DealDimensions(*dimensions).currency  # type: ignore[misc]
                assert (told_in, of.original) == (currency, worth * of.deals)
                assert of.unvalued == (0 if currency else of.deals)


def _worth_on(day: date, said: State, view: View) -> tuple[str | None, Decimal]:
    """By the words of the reference: the amount, else list price of the day × quantity."""
    money, times = said.fields.get("amount"), Decimal(1)
    if money is None and said.text("product_id"):
        money = view.value(Key("product", said.text("product_id") or ""), "price", day)
        times = Decimal(said.text("quantity") or "1")
    return (money["currency"], Decimal(money["amount"]) * times) if isinstance(money, dict) else (None, Decimal(0))


def test_the_list_price_is_that_of_the_facts_own_day() -> None:
    prices = [said("2026-01-01", "1", price=usd("10")), said("2026-02-01", "2", since="2026-03-10", price=usd("20"))]
    told_of = references(product={"bolt": prices})
    cells = posted(
        "deal",
        said("2026-03-01", "1", stage="prospecting", product_id="bolt", quantity="3"),
        said("2026-03-08", "2", stage="qualification"),
        said("2026-03-12", "3", title="Bolts"),
        said("2026-03-15", "4", owner_id="ann"),
        said("2026-03-20", "5", stage="won"),
        said("2026-03-25", "6", title="Bolts and nuts"),
        references=told_of,
    )
    assert value_of(cells, "created", day=date(2026, 3, 1)) == (1, "30")
    assert value_of(cells, "created-won", day=date(2026, 3, 1)) == (1, "30")
    assert value_of(cells, "advanced", day=date(2026, 3, 8)) == (1, "30")
    assert value_of(cells, "won", day=date(2026, 3, 20)) == (1, "60")
    for evening, value in (("2026-03-09", "30"), ("2026-03-14", "30"), ("2026-03-15", "60"), ("2026-03-19", "60")):
        assert value_of(cells, "open", until=evening) == (1, value)  # a new price alone does not value a stock anew
    assert value_of(cells, "open") is None


def test_a_deal_moves_through_the_stock() -> None:
    cells = posted(
        "deal",
        said("2026-03-01", "1", stage="prospecting", amount=usd("100")),
        said("2026-03-05", "2", stage="qualification"),
        said("2026-03-09", "3", amount=usd("250")),
        said("2026-03-20", "4", stage="won"),
    )
    assert value_of(cells, "open", until="2026-02-28") is None
    assert value_of(cells, "open", until="2026-03-04", stage="prospecting") == (1, "100")
    assert value_of(cells, "open", until="2026-03-05", stage="prospecting") is None
    assert value_of(cells, "open", until="2026-03-08", stage="qualification") == (1, "100")
    assert value_of(cells, "open", until="2026-03-09", stage="qualification") == (1, "250")
    assert value_of(cells, "open") is None
    assert value_of(cells, "won", day=date(2026, 3, 20)) == (1, "250")
    assert value_of(cells, "won", days=19) == (1, "250")
    assert value_of(cells, "created", day=date(2026, 3, 1), stage="prospecting") == (1, "250")
    assert value_of(cells, "created-won", day=date(2026, 3, 1)) == (1, "250")


def test_what_was_known_on_the_day_stays_readable() -> None:
    cells = posted(
        "deal",
        said("2026-03-01", "1", stage="prospecting", amount=usd("100")),
        said("2026-03-20", "2", stage="won", amount=usd("90")),
    )
    assert value_of(cells, "created", known="2026-03-19") == (1, "100")
    assert value_of(cells, "created", known="2026-03-20") == (1, "90")
    assert value_of(cells, "won", known="2026-03-19") is None
    assert value_of(cells, "undecided", known="2026-03-19") == (1, "100")
    assert value_of(cells, "undecided") is None


def test_states_of_one_day_net_out() -> None:
    cells = posted(
        "deal",
        said("2026-03-01", "1", hour=8, stage="prospecting", amount=usd("100")),
        said("2026-03-01", "2", hour=9, stage="qualification"),
        said("2026-03-01", "3", hour=10, stage="lost"),
    )
    assert not [cell for cell in cells if cell.fact == "open"]
    assert value_of(cells, "dropped", stage="qualification", day=date(2026, 3, 1)) == (1, "100")
    assert value_of(cells, "lost", days=0) == (1, "100")


def test_what_changes_nothing_moves_nothing() -> None:
    opening = said("2026-03-01", "1", stage="prospecting", amount=usd("100"))
    cells = posted("deal", opening, said("2026-03-05", "2", title="Call them", probability="0.3"))
    assert now(cells) == now(posted("deal", opening))


def test_a_reopened_deal_takes_its_win_back() -> None:
    won = said("2026-03-10", "2", stage="won")
    events = [said("2026-03-01", "1", stage="prospecting", amount=usd("100")), won]
    reopened = posted("deal", *events, said("2026-03-12", "3", stage="qualification"))
    assert value_of(reopened, "won") is None
    assert value_of(reopened, "won", known="2026-03-11") == (1, "100")
    assert value_of(reopened, "open", until="2026-03-11") is None
    assert value_of(reopened, "open", until="2026-03-12") == (1, "100")
    again = posted(
        "deal", *events, said("2026-03-12", "3", stage="qualification"), said("2026-03-30", "4", stage="won")
    )
    assert value_of(again, "won") == value_of(again, "won", day=date(2026, 3, 30)) == (1, "100")


def test_a_win_said_twice_began_once() -> None:
    cells = posted(
        "deal",
        said("2026-03-01", "1", stage="won", amount=usd("100")),
        said("2026-03-15", "2", stage="won", amount=usd("120")),
    )
    assert value_of(cells, "won") == value_of(cells, "won", day=date(2026, 3, 1), days=0) == (1, "120")


def test_an_ended_deal_was_never_created_but_had_been_in_the_stock() -> None:
    opening = said("2026-03-01", "1", stage="qualification", amount=usd("100"))
    cells = posted("deal", opening, said("2026-03-10", "2", ended=True))
    assert {fact for fact, _, _ in now(cells)} == {"open"}
    assert value_of(cells, "open", until="2026-03-09") == (1, "100")
    assert value_of(cells, "open", until="2026-03-10") is None
    back = posted("deal", opening, said("2026-03-10", "2", ended=True), said("2026-03-20", "3", ended=False))
    assert value_of(back, "created", day=date(2026, 3, 1)) == (1, "100")
    assert value_of(back, "open", until="2026-03-15") is None
    assert value_of(back, "open", until="2026-03-20") == (1, "100")


def test_the_stock_moves_with_the_owners_team_and_keeps_its_value() -> None:
    told_of = references(
        member={
            "ann": [
                said("2026-01-01", "1", unit_id="north"),
                said("2026-02-01", "2", since="2026-03-10", unit_id="south"),
            ]
        },
        organisation_unit={
            unit: [said("2026-01-01", "1", kind="team", parent_id="east", manager_id=f"head-{unit}")]
            for unit in ("north", "south")
        }
        | {"east": [said("2026-01-01", "1", kind="region")]},
        exchange_rate={
            "spot:EUR/USD": [said("2026-01-01", "1", rate="1.1"), said("2026-01-01", "2", since="2026-03-05", rate="2")]
        },
    )  # fmt: skip
    opening = said("2026-03-01", "1", stage="prospecting", owner_id="ann", amount={"amount": "100", "currency": "EUR"})
    cells = posted("deal", opening, references=told_of)
    assert value_of(cells, "open", until="2026-03-09", team="north", manager="head-north", region="east") == (
        1,
        "110.0",
    )
    assert value_of(cells, "open", until="2026-03-10", team="north") is None
    assert value_of(cells, "open", until="2026-03-10", team="south", region="east") == (1, "110.0")
    assert value_of(cells, "created", team="north") == (1, "110.0")


def test_a_deal_that_jumps_has_reached_what_it_jumped_over() -> None:
    cells = posted(
        "deal",
        said("2026-03-01", "1", stage="qualification", amount=usd("100")),
        said("2026-03-08", "2", stage="proposal-negotiation"),
        said("2026-03-09", "3", stage="needs-analysis"),
    )
    found = {
        (cell[0], cell[1].day, DealDimensions(*cell[2]).stage)  # type: ignore[misc]
        for cell in now(cells)
        if cell[0] in OUTCOMES
    }
    assert found == {
        ("advanced", 1, "prospecting"),
        ("advanced", 1, "qualification"),
        ("advanced", 8, "needs-analysis"),
        ("advanced", 8, "solution-presentation"),
        ("undecided", 8, "proposal-negotiation"),
    }


def test_lost_is_never_beyond_a_stage() -> None:
    cells = posted(
        "deal",
        said("2026-03-01", "1", stage="qualification", amount=usd("100")),
        said("2026-03-08", "2", stage="lost"),
    )
    assert value_of(cells, "dropped", stage="qualification") == (1, "100")
    assert value_of(cells, "advanced", stage="qualification") is None
    assert value_of(cells, "undecided") is None


def test_an_amount_that_nobody_said_is_estimated_or_counted() -> None:
    priced = references(product={"bolt": [said("2026-01-01", "1", price=usd("7.5"), category="iron")]})
    opening = said("2026-03-01", "1", stage="prospecting", product_id="bolt", quantity="3")
    estimated = total(posted("deal", opening, references=priced), "open", category="iron")
    assert estimated == DealMeasures(1, Decimal("22.5"), Decimal("22.5"), Decimal("22.5"), 1, 0, 0, 0)
    unknown = total(posted("deal", opening), "open", currency=None)
    assert unknown == DealMeasures(1, Decimal(0), Decimal(0), Decimal(0), 0, 1, 0, 0)
    foreign = said("2026-03-01", "1", amount={"amount": "5", "currency": "EUR"})
    assert total(posted("deal", foreign), "open", currency="EUR") == DealMeasures(
        1, Decimal(0), Decimal(0), Decimal(5), 0, 0, 1, 1
    )


def test_pipelines_have_their_own_stages() -> None:
    company = replace(COMPANY, pipelines=Pipelines({"default": ("a", "b"), "partners": ("x", "y", "z")}))
    cells = posted(
        "deal",
        said("2026-03-01", "1", stage="b", amount=usd("1")),
        said("2026-03-05", "2", pipeline_id="partners", stage="y"),
        company=company,
    )
    assert value_of(cells, "created", stage="x", pipeline="partners") == (1, "1")
    assert value_of(cells, "open", until="2026-03-04", pipeline="default", stage="b") == (1, "1")
    assert value_of(cells, "advanced", stage="x", day=date(2026, 3, 5)) == (1, "1")
    assert value_of(cells, "undecided", stage="y", day=date(2026, 3, 5)) == (1, "1")
    assert all(value_of(cells, fact, stage="b") is None for fact in OUTCOMES)


def test_a_day_that_was_said_wins_over_that_of_the_first_event() -> None:
    cells = posted("deal", said("2026-03-10", "1", stage="won", amount=usd("1"), created_on="2026-02-08"))
    assert value_of(cells, "created", day=date(2026, 2, 8)) == (1, "1")
    assert value_of(cells, "won", day=date(2026, 3, 10), days=30) == (1, "1")
