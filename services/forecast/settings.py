"""Settings of the forecast service."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, ClassVar

from pydantic import Field

from services.forecast.domain.winning import Place
from shared.runtime.settings import Port, ServiceSettings

_USUAL = {
    "prospecting": Decimal("0.10"),
    "qualification": Decimal("0.20"),
    "needs-analysis": Decimal("0.35"),
    "solution-presentation": Decimal("0.50"),
    "proposal-negotiation": Decimal("0.70"),
}
Fraction = Annotated[Decimal, Field(ge=0, le=1)]


class Settings(ServiceSettings):
    """What all services share, and how far and how often to look ahead."""

    service: ClassVar[str] = "forecast"
    http_port: Port = 8104
    health_port: Port = 8114
    forecast_wait_seconds: float = Field(default=10.0, gt=0, le=60)
    """How long a GET with `after=` waits at most."""
    forecast_horizon_months: int = Field(default=6, ge=1, le=24)
    """How many months ahead a series is forecast."""
    forecast_origins: int = Field(default=24, ge=4, le=60)
    """Past moments from which the back-test forecasts."""
    forecast_pause_seconds: float = Field(default=2.0, gt=0)
    """How long the numbers must have stood still before they are forecast anew."""
    forecast_probabilities: Mapping[str, Mapping[str, Fraction]] = Field(default_factory=lambda: {"default": _USUAL})
    """JSON, pipeline → stage → win probability, used until the company's own history says more."""

    def probabilities(self) -> dict[Place, Decimal]:
        """The configured probability of each stage."""
        return {
            Place(pipeline, stage): value
            for pipeline, stages in self.forecast_probabilities.items()
            for stage, value in stages.items()
        }
