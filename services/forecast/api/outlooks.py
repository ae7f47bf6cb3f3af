"""Outlooks over the whole pipeline take a moment to compute: they are kept for as long as nothing they read changes."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from services.forecast.domain.pipeline_outlook import PipelineOutlook, pipeline_outlook
from services.forecast.domain.standing import Standing
from services.forecast.domain.winning import Place
from services.forecast.queries.standings import standings
from shared.storage.database import Reader


@dataclass(slots=True)
class Outlooks:
    """The last outlook of each business line."""

    configured: Mapping[Place, Decimal]
    currency: str
    _kept: dict[str | None, tuple[object, PipelineOutlook]] = field(default_factory=dict)

    async def of(
        self, reader: Reader, business_line: str | None, *, as_of: date, changed_at: datetime
    ) -> PipelineOutlook:
        """The outlook on a day, from the deals as they were when something last changed."""
        key = as_of, changed_at
        kept = self._kept.get(business_line)
        if kept is None or kept[0] != key:
            deals = await standings(reader, business_line)
            kept = key, await asyncio.to_thread(self._made, deals, as_of)
            self._kept[business_line] = kept
        return kept[1]

    def _made(self, deals: list[Standing], as_of: date) -> PipelineOutlook:
        return pipeline_outlook(deals, self.configured, as_of=as_of, currency=self.currency)
