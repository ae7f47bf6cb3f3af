"""What a deal posts: the open stock as it stands and moves, and when it was created, won, lost and reached a stage.

Facts: open, created, created-won, won, lost; of each stage that it reached one of advanced, dropped, undecided.
"""

from collections.abc import Sequence
from datetime import date

from services.metrics.domain.ledgers import DEALS
from services.metrics.domain.placing import NOTHING, Places, Where
from shared.kernel.journal import Assertion, State
from shared.kernel.ledger import Balance, Dimensions, Measures, negated, post
from shared.sales.company import UNMAPPED, Company
from shared.sales.deal import DealState, DealValue, closing, created_on, deal_life, deal_value, spells
from shared.sales.lookup import Buyer, Seat
from shared.sales.references import View

_Text = str | None
_Frame = tuple[_Text, _Text, _Text, _Text, _Text, _Text, _Text, _Text, _Text, _Text, _Text, bool]
"""All of `DealDimensions`, in its order, between the stage and the days: a plain tuple is made in a fraction of the
time."""


_Parties = tuple[_Text, _Text, _Text, _Text, _Text]
"""Whom and what a state of a deal names: owner, customer, product, channel, business line."""
_PARTIES = ("owner_id", "customer_id", "product_id", "channel_id", "business_line")


def deal_cells(assertions: Sequence[Assertion], view: View, company: Company) -> Balance:
    """Everything that a deal ought to stand for, as known on the view's day."""
    places = Places(view, company)
    life = deal_life(assertions, view, company)
    values, frames = _Values(places), _Frames()
    cells: Balance = {}
    _post_stock(cells, life, places, values, frames)
    if life[-1].alive:
        flows = _Flows(cells, life, places, values, frames)
        flows.post_creation()
        flows.post_closing()
        flows.post_stages()
    return cells


class _Values:
    """What states of a deal are worth, and what that adds to a ledger."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._always: dict[int, tuple[DealValue, Measures]] = {}
        """What lasts, by the identity of what was said."""

    def of(self, state: DealState, day: date) -> tuple[DealValue, Measures]:
        """On a day."""
        said = id(state.said.fields.get("amount"))
        if (always := self._always.get(said)) is not None:
            return always
        value = deal_value(state, self._places.view, day)
        found = value, _measures(value, day, self._places)
        if self.lasts(value):
            self._always[said] = found
        return found

    def lasts(self, value: DealValue) -> bool:
        """Whether it is worth the same on every day: an amount in base currency that was said."""
        amount, estimated = value
        return amount is not None and not estimated and amount.currency == self._places.company.base_currency


class _Frames:
    """All dimensions between the stage and the days. Mostly a deal goes from stage to stage and nothing else of it
    moves: then they are the ones before."""

    def __init__(self) -> None:
        self._of: tuple[_Parties, DealValue, Where] | None = None
        self._frame: _Frame

    def of(self, named: _Parties, value: DealValue, where: Where) -> _Frame:
        """Of what a state names and is worth, and where that stands."""
        before = self._of
        if before is None or before[2] is not where or before[1] is not value or before[0] != named:
            self._of = named, value, where
            self._frame = _frame(named, value, *where)
        return self._frame


def _post_stock(
    cells: Balance, life: Sequence[DealState], places: Places, values: _Values, frames: _Frames
) -> None:  # fmt: skip
    """Each open spell enters on its first day, at the price and rates of that day, and leaves with what it entered with
    on the day after its last.

    Where its owner, customer or product moves in the reference data, it leaves one cell and enters another; it is not
    valued again by that.
    """
    named: _Parties | None = None
    worth: Measures | None = None
    left: Measures = ()
    for state, end in spells(life):
        if not state.is_open:
            continue
        if (said := _parties(state.said)) != named:
            named, whereabouts = said, places.whereabouts(said[:3], state.day)
        value, entered = values.of(state, state.day)
        if entered is not worth:
            worth, left = entered, negated(entered)
        for start, stop, where in whereabouts.over(state.day, end):
            dimensions: Dimensions = (state.pipeline, state.stage, *frames.of(named, value, where), None)
            post(cells, (DEALS.name, start, "open", dimensions), entered)
            if stop < date.max:
                post(cells, (DEALS.name, stop, "open", dimensions), left)


class _Flows:
    """What happened to a deal that still exists: what it says now, at the price and rates of the day of the fact."""

    def __init__(
        self, cells: Balance, life: Sequence[DealState], places: Places, values: _Values, frames: _Frames
    ) -> None:  # fmt: skip
        self._cells = cells
        self._values = values
        self._frames = frames
        self._life = life
        self._now = life[-1]
        self._named = _parties(life[-1].said)
        self._places = places
        self._created = created_on(life)
        self._stages = places.company.pipelines.stages.get(self._now.pipeline, ())
        self._on: dict[date, tuple[_Frame, Measures]] = {}
        self._lasting: tuple[date, date, _Frame, Measures] | None = None
        """From a day (inclusive) until a day (exclusive): mostly for as long as it lives."""

    def post_creation(self) -> None:
        """The cohort of its day, and the same again when it is won: a win rate is the quotient of the two."""
        stage = self._stages[0] if self._stages else UNMAPPED
        self._post("created", self._created, stage)
        if self._now.is_won:
            self._post("created-won", self._created, stage)

    def post_closing(self) -> None:
        """The win or loss, on the day on which the present run of it began."""
        closed = closing(self._life)
        if closed is not None:
            fact = "won" if closed.is_won else "lost"
            self._post(fact, closed.day, closed.stage, days=(closed.day - self._created).days)

    def post_stages(self) -> None:
        """What became of it in each stage that it reached: it went further, was lost there, or may still do either."""
        reached, furthest = self._reached()
        last = "undecided" if self._now.is_open else "dropped"
        for rank, day in enumerate(reached):
            self._post("advanced" if rank < furthest else last, day, self._stages[rank])

    def _reached(self) -> tuple[list[date], int]:
        """The first day at or beyond each open stage, and the rank of the furthest stage (-1: none, won is last)."""
        reached: list[date] = []
        furthest = -1
        pipeline = self._now.pipeline
        ranks = self._places.company.pipelines.ranks(pipeline)
        for state in self._life:
            if not state.alive or state.pipeline != pipeline:
                continue
            rank = ranks.get(state.stage)
            if rank is not None and rank > furthest:
                reached += [state.day] * (min(rank, len(self._stages) - 1) - furthest)
                furthest = rank
        return reached, furthest

    def _post(self, fact: str, day: date, stage: str, days: int | None = None) -> None:
        lasting = self._lasting
        if lasting is not None and lasting[0] <= day < lasting[1]:
            frame, measures = lasting[2:]
        else:
            frame, measures = self._on.get(day) or self._found(day)
        dimensions: Dimensions = (self._now.pipeline, stage, *frame, days)
        post(self._cells, (DEALS.name, day, fact, dimensions), measures)

    def _found(self, day: date) -> tuple[_Frame, Measures]:
        value, measures = self._values.of(self._now, day)
        start, stop, where = self._places.where(self._named[:3], day)
        frame = self._frames.of(self._named, value, where)
        if self._values.lasts(value):
            self._lasting = start, stop, frame, measures
        self._on[day] = frame, measures
        return frame, measures


def _parties(said: State) -> _Parties:
    """A plain tuple, as the contract lets only text through: asked of every state."""
    return tuple(map(said.fields.get, _PARTIES))  # type: ignore[return-value]


def _frame(named: _Parties, value: DealValue, seat: Seat, buyer: Buyer, category: str | None) -> _Frame:
    _, _, product, channel, business_line = named
    currency = value.amount.currency if value.amount else None
    return (*seat, product, category, buyer.customer, buyer.sector, channel, business_line, currency, buyer.related)


def _measures(value: DealValue, day: date, places: Places) -> Measures:
    """Those of `DealMeasures`, in its order."""
    amount, estimated = value
    base, constant, original, unconverted, unconverted_constant = (
        NOTHING if amount is None else places.worth(amount, day)
    )
    return 1, base, constant, original, int(estimated), int(amount is None), unconverted, unconverted_constant
