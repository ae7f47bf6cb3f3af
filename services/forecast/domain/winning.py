"""Win probability from the company's own history: of the deals that were once where this one is, how many were won.

The estimate for a stage and age is the share won among the closed deals that were still in that stage at that age.
Deals that are open now are in no count, so ages that few deals outlive lean on few closed deals; the prior keeps them
near the stage's rate.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from enum import StrEnum

from shared.kernel.errors import InvalidInputError

_DIGITS = Decimal("1e-6")


@dataclass(frozen=True, slots=True)
class Place:
    """A stage of one of the company's pipelines."""

    pipeline: str
    stage: str


@dataclass(frozen=True, slots=True)
class Visit:
    """A stay in a stage, from the evening of `entered_on` until the deal left it, by closing or for another stage."""

    place: Place
    entered_on: date
    left_on: date

    def holds_on(self, day: date) -> bool:
        """Still there in the evening of `day`."""
        return self.entered_on <= day < self.left_on

    @property
    def days(self) -> int:
        return (self.left_on - self.entered_on).days


@dataclass(frozen=True, slots=True)
class ClosedDeal:
    """A deal that was won or lost on `closed_on`, which became known on `known_on`."""

    deal: str
    won: bool
    closed_on: date
    known_on: date
    visits: tuple[Visit, ...]

    def is_known(self, as_of: date) -> bool:
        return self.closed_on <= as_of and self.known_on <= as_of


class Source(StrEnum):
    """Where a probability comes from, the best first."""

    STAGE_AND_AGE = "stage-and-age"
    STAGE = "stage"
    CONFIGURATION = "configuration"


@dataclass(frozen=True, slots=True)
class Probability:
    """`value` is a fraction; `n` is the number of closed deals behind it, 0 for one out of configuration."""

    value: Decimal
    source: Source
    n: int


@dataclass(frozen=True, slots=True)
class Rules:
    """How history becomes a probability.

    `bands` are the first days of the age bands, in days since the deal entered its stage. A band's share is the mean
    of a beta posterior whose prior weighs `prior_deals` closed deals won at the stage's rate. A stage with fewer than
    `least_closed` closed deals says nothing.
    """

    bands: tuple[int, ...] = (0, 8, 15, 31, 61, 91, 181)
    prior_deals: int = 20
    least_closed: int = 30

    def __post_init__(self) -> None:
        if self.bands[:1] != (0,) or list(self.bands) != sorted(set(self.bands)):
            raise InvalidInputError("age bands start at day 0 and rise")
        if self.prior_deals < 1 or self.least_closed < 1:
            raise InvalidInputError("the prior and the least number of closed deals are at least 1")

    def band(self, age_days: int) -> int:
        """The first day of the band that holds this age; an age below 0 counts as 0."""
        return max((band for band in self.bands if band <= age_days), default=0)


@dataclass(frozen=True, slots=True)
class Tally:
    """Closed deals and how many of them were won."""

    won: int = 0
    closed: int = 0


@dataclass(frozen=True, slots=True)
class WinRates:
    """What the deals that were closed and known on `as_of` say about the deals still open.

    `ageless` are the places where age was shown not to help; they answer with the stage's rate.
    """

    as_of: date
    rules: Rules
    stages: Mapping[Place, Tally]
    bands: Mapping[tuple[Place, int], Tally]
    ageless: frozenset[Place] = frozenset()

    def probability(
        self, place: Place, age_days: int | None, configured: Mapping[Place, Decimal]
    ) -> Probability | None:
        """The best that is known for a deal that entered its stage `age_days` ago (`None`: undated).

        `None` when neither history nor configuration says anything.
        """
        stage = self.by_stage(place)
        if stage is None:
            given = configured.get(place)
            return None if given is None else Probability(given, Source.CONFIGURATION, 0)
        return stage if age_days is None or place in self.ageless else self._by_age(place, age_days, stage)

    def by_stage(self, place: Place) -> Probability | None:
        """The stage's own rate, `None` with fewer than `least_closed` closed deals."""
        tally = self.stages.get(place, Tally())
        if tally.closed < self.rules.least_closed:
            return None
        return Probability((Decimal(tally.won) / tally.closed).quantize(_DIGITS), Source.STAGE, tally.closed)

    def _by_age(self, place: Place, age_days: int, stage: Probability) -> Probability:
        tally = self.bands.get((place, self.rules.band(age_days)), Tally())
        if tally.closed == 0:
            return stage
        prior = self.rules.prior_deals
        share = (tally.won + prior * stage.value) / (tally.closed + prior)
        return Probability(share.quantize(_DIGITS), Source.STAGE_AND_AGE, tally.closed)

    def without_age(self, places: Collection[Place]) -> "WinRates":
        return replace(self, ageless=frozenset(places))


def learn(closed: Iterable[ClosedDeal], rules: Rules, *, as_of: date) -> WinRates:
    """Only deals closed by `as_of` and known by then count, so an answer for a past day holds nothing of its future.

    A deal counts once per stage and once per band, however often it came back.
    """
    stages: Counter[tuple[Place, bool]] = Counter()
    bands: Counter[tuple[Place, int, bool]] = Counter()
    for deal in closed:
        if deal.is_known(as_of):
            stages.update({(visit.place, deal.won) for visit in deal.visits})
            bands.update({(place, band, deal.won) for place, band in _outlived(deal, rules)})
    return WinRates(
        as_of,
        rules,
        {place: _tally(stages[place, True], stages[place, False]) for place, _ in stages},
        {(place, band): _tally(bands[place, band, True], bands[place, band, False]) for place, band, _ in bands},
    )


def _outlived(deal: ClosedDeal, rules: Rules) -> Iterator[tuple[Place, int]]:
    """The bands whose first day the deal saw out in its stage."""
    for visit in deal.visits:
        for band in rules.bands:
            if band < visit.days:
                yield visit.place, band


def _tally(won: int, lost: int) -> Tally:
    return Tally(won, won + lost)
