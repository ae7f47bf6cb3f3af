"""Makes a new vintage whenever a complete month of a series changed and the numbers stand still; no vintage twice."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import structlog

from services.forecast import store
from services.forecast.domain.ledgers import SERIES
from services.forecast.domain.outlook import SeriesForecast
from services.forecast.domain.series import Point
from services.forecast.domain.vintage import Vintage
from services.forecast.models import forecast_series
from services.forecast.queries import series, vintages
from services.forecast.wire import Explained
from shared.kernel.clock import Clock
from shared.kernel.errors import InvalidInputError, NotKnownError, UnavailableError
from shared.kernel.money import plain
from shared.kernel.period import Calendar, Grain
from shared.messaging.deadlines import Backoff
from shared.messaging.leader import leadership
from shared.storage.database import Database
from shared.storage.progress import read_freshness

_LOG = structlog.get_logger(__name__)
_SEASON = 12
_METHOD = "1"
"""Part of a history's digest: another method makes a new vintage of the same history."""


@dataclass(frozen=True, slots=True)
class Forecaster:
    """The job of the worker that forecasts; one is active among all workers."""

    database: Database
    calendar: Calendar
    clock: Clock
    horizon: int
    origins: int
    pause: float

    async def run(self) -> None:
        """Forecast until cancelled; a lost database delays."""
        backoff = Backoff()
        while True:
            try:
                async with leadership(self.database, "quintant forecaster"):
                    await self._watch()
            except UnavailableError as error:
                _LOG.warning("forecaster_interrupted", reason=error.detail)
                await backoff.pause()

    async def _watch(self) -> None:
        """Forecast when everything that was accepted is in, and nothing has moved for a pause; and on each new day."""
        done: object = None
        seen: object = None
        while True:
            state = await self._state()
            if state is not None and state != done and state == seen:
                for name in SERIES:
                    await self.forecast(name)
                done = state
            seen = state
            await asyncio.sleep(self.pause)

    async def _state(self) -> object:
        """Changes with the numbers and with the day; None while events are on their way."""
        async with self.database.read() as reader:
            standing, now = await read_freshness(reader)
        if now.complete_through is None or now.events_behind:
            return None
        return sorted(standing.positions.items()), self.calendar.day(self.clock.now())

    async def forecast(self, name: str) -> Vintage | None:
        """Make and keep a vintage; None if there is too little history, or one was made from the very same history."""
        made_at = self.clock.now()
        today = self.calendar.day(made_at)
        async with self.database.read() as reader:
            history = await series.history(reader, name, today.replace(day=1))
            before = await vintages.newest_made(reader, name)
        digest = _digest(history)
        if before is not None and before["history"] == digest:
            return None
        try:
            made = await asyncio.to_thread(self._model, history)
        except (NotKnownError, InvalidInputError) as error:
            _LOG.info("not_forecast", series=name, reason=error.detail)
            return None
        again = before is not None and before["known_at"] == today
        vintage = Vintage(
            series=name,
            known_at=today,
            revision=before["revision"] + 1 if before is not None and again else 1,
            made_at=made_at,
            model=made.model,
            trained_from=made.trained_from,
            trained_through=made.trained_through,
            predictions=made.predictions,
            coverage=made.coverage,
        )
        async with self.database.write() as writer:
            await store.save_vintage(writer, vintage, digest, Explained.of(made))
        _LOG.info("forecast_made", series=name, model=vintage.model, vintage=vintage.id)
        return vintage

    def _model(self, history: Sequence[Point]) -> SeriesForecast:
        horizon = min(self.horizon, max(1, len(history)))
        return forecast_series(history, horizon=horizon, season=_SEASON, origins=self.origins, grain=Grain.MONTH)


def _digest(history: Sequence[Point]) -> str:
    text = ";".join(f"{point.start}={plain(point.value)}" for point in history)
    return sha256(f"{_METHOD}|{text}".encode()).hexdigest()
