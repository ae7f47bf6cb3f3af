"""Tries again what waits in the quarantine although its stage map has come; other things wait for a person."""

import asyncio
from dataclasses import dataclass

import structlog

from services.ingest.intake import Intake
from shared.kernel.errors import UnavailableError

_LOG = structlog.get_logger(__name__)
_EVERY_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Releasing:
    """Looks now and then. Several workers may do so at once: a second attempt finds it released, or a duplicate."""

    intake: Intake
    every_seconds: float = _EVERY_SECONDS

    async def run(self) -> None:
        """Look and wait until cancelled."""
        while True:
            try:
                await self.intake.retry_forgotten()
            except UnavailableError as error:
                _LOG.info("quarantine_not_looked_at", reason=error.detail)
            await asyncio.sleep(self.every_seconds)
