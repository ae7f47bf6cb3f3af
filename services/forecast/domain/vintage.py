"""A forecast as it was made: kept for ever, so that accuracy is measured on what was really said."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from services.forecast.domain.coverage import Coverage
from services.forecast.domain.outlook import Prediction
from shared.kernel.errors import ConflictError
from shared.kernel.ids import derived_id


@dataclass(frozen=True, slots=True)
class Vintage:
    """One forecast of one series, made at the instant `made_at` with the knowledge of the business day `known_at`.

    `trained_from` and `trained_through` are the starts of the first and last period of its history. A better method or
    corrected history never replaces a vintage: it is another one, with the next `revision`, counted from 1.
    """

    series: str
    known_at: date
    revision: int
    made_at: datetime
    model: str
    trained_from: date
    trained_through: date
    predictions: tuple[Prediction, ...]
    coverage: tuple[Coverage, ...]

    @property
    def id(self) -> str:
        return derived_id("vintage", self.series, self.known_at.isoformat(), str(self.revision))

    @property
    def horizon(self) -> int:
        return len(self.predictions)


def require_new(kept: Iterable[Vintage], vintage: Vintage) -> None:
    """Raises `ConflictError` when a vintage of this series, day and revision is kept already, whatever it says."""
    if any(one.id == vintage.id for one in kept):
        raise ConflictError(
            f"revision {vintage.revision} of the forecast of {vintage.series} as of {vintage.known_at} is kept as it "
            "was: store the new one as the next revision"
        )


def in_force(kept: Iterable[Vintage], series: str, *, at: datetime) -> Vintage | None:
    """The vintage that people had before them at that instant: of those made by then the latest day, then revision."""
    candidates = [one for one in kept if one.series == series and one.made_at <= at]
    return max(candidates, key=lambda one: (one.known_at, one.revision), default=None)


def first_made(kept: Iterable[Vintage]) -> tuple[Vintage, ...]:
    """One vintage per series and end of history, the first: a later one from the same history may know more.

    Accuracy is measured on these, so that no forecast is counted twice and none has the help of hindsight.
    """
    first: dict[tuple[str, date], Vintage] = {}
    for one in sorted(kept, key=lambda one: (one.made_at, one.known_at, one.revision, one.series)):
        first.setdefault((one.series, one.trained_through), one)
    return tuple(first.values())
