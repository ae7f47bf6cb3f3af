"""KPIs of the sales pipeline: what is open, what came in, what was won and lost, how fast and how surely."""

from types import MappingProxyType

from services.metrics.domain.kpis.declaration import (
    Beside,
    Better,
    Durations,
    Formula,
    Kpi,
    Measure,
    Part,
    Quotient,
    Reach,
    Term,
    Title,
    Total,
    Unit,
)
from services.metrics.domain.ledgers import DEALS

_SLICES = (
    "pipeline", "member", "team", "manager", "region", "product", "category", "customer", "sector", "channel",
    "business_line", "currency",
)  # fmt: skip

_ALWAYS = "0 where there is nothing."
_AMOUNTS = (
    "Deals without an amount are valued from the dated price list and counted as `estimated`; those without either "
    "are left out and counted as `unvalued`, those without an exchange rate as `unconverted`."
)


def _part(name: str, *facts: str, of: Measure = Measure.COUNT, reach: Reach = Reach.WITHIN) -> Part:
    return Part(name, DEALS, tuple(Term(1, fact, of) for fact in facts), reach)


def _one(formula: Formula) -> MappingProxyType[str, Formula]:
    return MappingProxyType({"": formula})


def _quotient(numerator: Part, denominator: Part) -> MappingProxyType[str, Formula]:
    return _one(Quotient((numerator,), (denominator,)))


_OPEN_LATER = Part("open-deals", DEALS, (Term(1, "open", Measure.COUNT),), Reach.UNTIL, past_first_stage=True)

_OPEN = (
    Kpi(
        slug="open-pipeline-count",
        title=Title("Open deals", "在手商机数"),
        unit=Unit.COUNT,
        better=Better.UP,
        formulas=_one(Total(_part("deals", "open", reach=Reach.UNTIL))),
        words="Deals that are open on the evening of the period's last day.",
        null_rule=_ALWAYS,
        dimensions=("stage", *_SLICES),
    ),
    Kpi(
        slug="open-pipeline-value",
        title=Title("Open pipeline", "在手商机金额"),
        unit=Unit.MONEY,
        better=Better.UP,
        formulas=_one(Total(_part("value", "open", of=Measure.VALUE, reach=Reach.UNTIL))),
        words="Σ value of the deals that are open on the evening of the period's last day, at the rates of the day on "
        "which each entered its state: a stock is not revalued when a rate changes.",
        null_rule=f"{_ALWAYS} {_AMOUNTS}",
        dimensions=("stage", *_SLICES),
    ),
)


def _flow(fact: str, en: str, zh: str, words: str, better: Better) -> tuple[Kpi, Kpi]:
    """Count and value of what happened to deals."""
    return (
        Kpi(
            slug=f"deals-{fact}-count",
            title=Title(f"Deals {en}", f"{zh}商机数"),
            unit=Unit.COUNT,
            better=better,
            formulas=_one(Total(_part("deals", fact))),
            words=f"Deals {words}.",
            null_rule=_ALWAYS,
            dimensions=_SLICES,
        ),
        Kpi(
            slug=f"deals-{fact}-value",
            title=Title(f"Value {en}", f"{zh}商机金额"),
            unit=Unit.MONEY,
            better=better,
            formulas=_one(Total(_part("value", fact, of=Measure.VALUE))),
            words=f"Σ value of the deals {words}, at the rate of that day.",
            null_rule=f"{_ALWAYS} {_AMOUNTS}",
            dimensions=_SLICES,
        ),
    )


_RATES = (
    Kpi(
        slug="win-rate-all",
        title=Title("Win rate of all deals", "赢单率（全部商机）"),
        unit=Unit.RATIO,
        better=Better.UP,
        formulas=_quotient(_part("won", "created-won"), _part("created", "created")),
        words="Deals created in the period that are won by now ÷ all deals created in the period.",
        null_rule="No value where no deal was created.",
        dimensions=_SLICES,
        digits=10,
    ),
    Kpi(
        slug="win-rate-all-value",
        title=Title("Win rate of all deals by value", "赢单率（全部商机，按金额）"),
        unit=Unit.RATIO,
        better=Better.UP,
        formulas=_quotient(
            _part("won", "created-won", of=Measure.VALUE), _part("created", "created", of=Measure.VALUE)
        ),
        words="Σ value of the deals created in the period that are won by now ÷ Σ value of all deals created in it.",
        null_rule=f"No value where the created deals are worth nothing. {_AMOUNTS}",
        dimensions=_SLICES,
        digits=10,
    ),
    Kpi(
        slug="win-rate-closed",
        title=Title("Win rate of closed deals", "赢单率（已关闭商机）"),
        unit=Unit.RATIO,
        better=Better.UP,
        formulas=_quotient(_part("won", "won"), _part("closed", "won", "lost")),
        words="Deals won in the period ÷ deals won or lost in it, by closing date.",
        null_rule="No value where no deal was closed.",
        dimensions=_SLICES,
        digits=10,
    ),
    Kpi(
        slug="win-rate-closed-value",
        title=Title("Win rate of closed deals by value", "赢单率（已关闭商机，按金额）"),
        unit=Unit.RATIO,
        better=Better.UP,
        formulas=_quotient(_part("won", "won", of=Measure.VALUE), _part("closed", "won", "lost", of=Measure.VALUE)),
        words="Σ value won in the period ÷ Σ value won or lost in it, by closing date. Where a source writes 0 on lost "
        "deals it says nothing.",
        null_rule=f"No value where the closed deals are worth nothing. {_AMOUNTS}",
        dimensions=_SLICES,
        digits=10,
    ),
    Kpi(
        slug="average-deal-size",
        title=Title("Average deal size", "平均成交金额"),
        unit=Unit.MONEY,
        better=Better.UP,
        formulas=_quotient(_part("value", "won", of=Measure.VALUE), _part("deals", "won", of=Measure.VALUED)),
        words="Σ value won in the period ÷ deals won in it that have a value.",
        null_rule=f"No value where no deal with a value was won. {_AMOUNTS}",
        dimensions=_SLICES,
        digits=6,
    ),
    Kpi(
        slug="stage-conversion",
        title=Title("Stage conversion", "阶段转化率"),
        unit=Unit.RATIO,
        better=Better.UP,
        formulas=_one(
            Quotient(
                (_part("advanced", "advanced"),),
                (_part("decided", "advanced", "dropped"),),
            )
        ),
        words="Of the deals that reached the stage in the period: those that later reached a further stage ÷ those "
        "that did or can no longer do so. Deals still in the stage are too young to tell and shown as `undecided`.",
        null_rule="No value where nothing is decided yet.",
        dimensions=("stage", *_SLICES),
        sliced_by=("pipeline", "stage"),
        beside=(
            Beside(_part("reached", "advanced", "dropped", "undecided")),
            Beside(_part("undecided", "undecided")),
        ),
        digits=10,
    ),
)


def _cycle(fact: str, en: str, zh: str, better: Better) -> Kpi:
    return Kpi(
        slug=f"sales-cycle-{fact}",
        title=Title(f"Sales cycle of {en} deals", f"销售周期（{zh}）"),
        unit=Unit.DAYS,
        better=better,
        formulas=_one(Durations(deals=_part("deals", fact), days=_part("days", fact, of=Measure.DAYS))),
        words=f"Whole days from created to closed of the deals {fact} in the period: mean (the value), median (the "
        "mean of the middle two), p90 (nearest rank), n.",
        null_rule=f"No value where no deal was {fact}.",
        dimensions=_SLICES,
        digits=6,
    )


_VELOCITY = Kpi(
    slug="sales-velocity",
    title=Title("Sales velocity", "销售速度"),
    unit=Unit.MONEY_PER_DAY,
    better=Better.UP,
    formulas=_one(
        Quotient(
            (
                _OPEN_LATER,
                _part("won", "won", reach=Reach.WINDOW),
                _part("won-value", "won", of=Measure.VALUE, reach=Reach.WINDOW),
                _part("won", "won", reach=Reach.WINDOW),
            ),
            (
                _part("closed", "won", "lost", reach=Reach.WINDOW),
                _part("won-with-value", "won", of=Measure.VALUED, reach=Reach.WINDOW),
                _part("won-days", "won", of=Measure.DAYS, reach=Reach.WINDOW),
            ),
        )
    ),
    words="On the evening of the period's last day: open deals past the first stage of their pipeline × win rate of "
    "closed deals × average deal size ÷ mean cycle of won deals, the last three over the `window` before it (all "
    "history if none is given) = open × won × won value × won ÷ (closed × won with a value × days of the won). Beside "
    "it the value really won per day of the window; of all history: per day since the first deal was created.",
    null_rule=f"No value where nothing was won, or all in no time. {_AMOUNTS}",
    dimensions=_SLICES,
    beside=(Beside(_part("won-value-per-day", "won", of=Measure.VALUE, reach=Reach.WINDOW), per_day_since="created"),),
    digits=6,
)

KPIS: tuple[Kpi, ...] = (
    *_OPEN,
    *_flow("created", "created", "新增", "created in the period", Better.UP),
    *_flow("won", "won", "赢单", "won in the period, by closing date", Better.UP),
    *_flow("lost", "lost", "输单", "lost in the period, by closing date", Better.DOWN),
    *_RATES,
    _cycle("won", "won", "赢单", Better.DOWN),
    _cycle("lost", "lost", "输单", Better.DOWN),
    _VELOCITY,
)
