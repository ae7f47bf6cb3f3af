"""What a deal posts: the open stock as it stands and moves, and when it was created, won, lost and reached a stage.

Facts: open, created, created-won, won, lost, reached, advanced, undecided.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from functools import partial

from services.metrics.domain.ledgers import DEALS, DealDimensions, DealMeasures
from services.metrics.domain.placing import NOTHING, Places
from shared.kernel.journal import Assertion
from shared.kernel.ledger import Cell, Cells, negated, post
from shared.sales.company import UNMAPPED, Company
from shared.sales.deal import DealState, DealValue, closing, created_on, deal_life, deal_value
from shared.sales.references import View

_Text = str | None
_Frame = tuple[_Text, _Text, _Text, _Text, _Text, _Text, _Text, _Text, _Text, _Text, _Text, bool]

_STANDS_BY = ("owner_id", "customer_id", "product_id", "channel_id", "business_line", "amount")
"""A deal that says the same of all these, in the same stage, is the same stock as before."""


def deal_cells(assertions: Sequence[Assertion], view: View, company: Company) -> Cells:
    """Everything that a deal ought to stand for, as known on the view's day."""
    places = Places(view, company)
    life = deal_life(assertions, view, company)
    cells: Cells = {}
    _post_stock(cells, life, places)
    if life[-1].alive:
        flows = _Flows(cells, life, places)
        flows.post_creation()
        flows.post_closing()
        flows.post_stages()
    return cells


def _post_stock(cells: Cells, life: Sequence[DealState], places: Places) -> None:
    """Each open spell enters on its first day and leaves, with what it entered with, on the day after its last.

    Where its owner, customer or product moves in the reference data, it leaves one cell and enters another; it is not
    valued again by that.
    """
    for state, end in _spells(life):
        if not state.is_open:
            continue
        said = state.said
        member, customer, product = said.text("owner_id"), said.text("customer_id"), said.text("product_id")
        value = deal_value(state, places.view)
        entered = _measures(value, state.day, places)
        left = negated(entered)
        moving = partial(places.moving, member, customer, product)
        for start, stop, _ in places.view.stretches(moving, state.day, end):
            dimensions = DealDimensions(state.pipeline, state.stage, *_frame(state, value, start, places), None)
            post(cells, Cell(DEALS.name, places.view.known, start, "open", dimensions), entered)
            if stop < date.max:
                post(cells, Cell(DEALS.name, places.view.known, stop, "open", dimensions), left)


def _spells(life: Sequence[DealState]) -> Iterator[tuple[DealState, date]]:
    """The states that outlast their business day, equal neighbours as one, each with the day on which it ends."""
    spells: list[DealState] = []
    for state, following in zip(life, (*life[1:], None), strict=True):
        passing = following is not None and following.day == state.day
        if not passing and not (spells and _is_same(spells[-1], state)):
            spells.append(state)
    for state, following in zip(spells, (*spells[1:], None), strict=True):
        yield state, date.max if following is None else following.day


def _is_same(before: DealState, after: DealState) -> bool:
    if not before.is_open or not after.is_open:
        return before.is_open == after.is_open
    if before.pipeline != after.pipeline or before.stage != after.stage:
        return False
    was, now = before.said.fields, after.said.fields
    if any(was.get(name) != now.get(name) for name in _STANDS_BY):
        return False
    return was.get("amount") is not None or was.get("quantity") == now.get("quantity")


class _Flows:
    """What happened to a deal that still exists, told with what is known of it now."""

    def __init__(self, cells: Cells, life: Sequence[DealState], places: Places) -> None:
        self._cells = cells
        self._life = life
        self._now = life[-1]
        self._places = places
        self._value = deal_value(self._now, places.view)
        self._created = created_on(life)
        self._stages = places.company.pipelines.stages.get(self._now.pipeline, ())
        self._frames: dict[date, tuple[_Frame, DealMeasures]] = {}

    def post_creation(self) -> None:
        """The cohort of its day, and the same again when it is won: a win rate is the quotient of the two."""
        stage = self._stages[0] if self._stages else UNMAPPED
        won = ("created-won",) if self._now.is_won else ()
        self._post(("created", *won), self._created, stage)

    def post_closing(self) -> None:
        """The win or loss, on the day on which the present run of it began."""
        closed = closing(self._life)
        if closed is not None:
            fact = "won" if closed.is_won else "lost"
            self._post((fact,), closed.day, closed.stage, days=(closed.day - self._created).days)

    def post_stages(self) -> None:
        """Each stage that it reached, and whether it went further, may still do so, or (neither) was lost there."""
        reached, furthest = self._reached()
        for rank, day in enumerate(reached):
            facts = ["reached"]
            if rank < furthest:
                facts.append("advanced")
            elif self._now.is_open:
                facts.append("undecided")
            self._post(tuple(facts), day, self._stages[rank])

    def _reached(self) -> tuple[list[date], int]:
        """The first day at or beyond each open stage, and the rank of the furthest stage (-1: none, won is last)."""
        reached: list[date] = []
        furthest = -1
        for state in self._life:
            if not state.alive or state.pipeline != self._now.pipeline:
                continue
            rank = self._places.company.pipelines.rank(state.pipeline, state.stage)
            if rank is not None and rank > furthest:
                reached += [state.day] * (min(rank, len(self._stages) - 1) - furthest)
                furthest = rank
        return reached, furthest

    def _post(self, facts: tuple[str, ...], day: date, stage: str, days: int | None = None) -> None:
        if day not in self._frames:
            self._frames[day] = (
                _frame(self._now, self._value, day, self._places),
                _measures(self._value, day, self._places),
            )
        frame, measures = self._frames[day]
        dimensions = DealDimensions(self._now.pipeline, stage, *frame, days)
        for fact in facts:
            post(self._cells, Cell(DEALS.name, self._places.view.known, day, fact, dimensions), measures)


def _frame(state: DealState, value: DealValue, day: date, places: Places) -> _Frame:
    """All dimensions between the stage and the days, as of a day."""
    said = state.said
    product = said.text("product_id")
    member, team, manager, region = places.seat(said.text("owner_id"), day)
    buyer = places.buyer(said.text("customer_id"), day)
    return (
        member,
        team,
        manager,
        region,
        product,
        places.category(product, day),
        buyer.customer,
        buyer.sector,
        said.text("channel_id"),
        said.text("business_line"),
        value.amount.currency if value.amount else None,
        buyer.related,
    )


def _measures(value: DealValue, day: date, places: Places) -> DealMeasures:
    worth = NOTHING if value.amount is None else places.worth(value.amount, day)
    return DealMeasures(
        1,
        worth.value,
        worth.constant,
        worth.original,
        int(value.estimated),
        int(value.amount is None),
        worth.unconverted,
        worth.unconverted_constant,
    )
