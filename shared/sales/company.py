"""What the company decided once: its calendar, its base currency and its sales pipelines."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType

from shared.kernel.period import Calendar

WON = "won"
LOST = "lost"
UNMAPPED = "unmapped"
"""The stage of a deal whose source calls it by a name that no stage map knows."""

DEFAULT_PIPELINE = "default"
DEFAULT_STAGES = (
    "prospecting",
    "qualification",
    "needs-analysis",
    "solution-presentation",
    "proposal-negotiation",
)


@dataclass(frozen=True, slots=True)
class Pipelines:
    """The open stages of each sales pipeline, in order. Every pipeline closes as won or lost."""

    stages: Mapping[str, tuple[str, ...]] = field(
        default_factory=lambda: MappingProxyType({DEFAULT_PIPELINE: DEFAULT_STAGES})
    )

    _ranks: Mapping[str, Mapping[str, int]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        ranks = {name: _ranks(stages) for name, stages in self.stages.items()}
        object.__setattr__(self, "_ranks", ranks)

    def ranks(self, pipeline: str) -> Mapping[str, int]:
        """How far each stage is: 0 for the first, one more than the last for won; lost and unmapped have none."""
        return self._ranks.get(pipeline, _NO_STAGES)

    def knows(self, pipeline: str, stage: str) -> bool:
        """Whether this is a stage of the pipeline, closing ones included."""
        return stage in self.ranks(pipeline) or stage == LOST


def _ranks(stages: tuple[str, ...]) -> Mapping[str, int]:
    return {**{stage: stages.index(stage) for stage in stages}, WON: len(stages)}


_NO_STAGES = _ranks(())


@dataclass(frozen=True, slots=True)
class Company:
    """The settings that numbers depend on. Every service is given the same."""

    calendar: Calendar
    base_currency: str
    pipelines: Pipelines
    constant_rate_on: date
    """Amounts "at constant currency" are converted at the rate of this business date."""
