"""Read your writes: wait, within a bound, until the events that a token names are applied."""

import asyncio

from shared.kernel.clock import Clock
from shared.kernel.errors import BehindError, Fault, InvalidInputError
from shared.kernel.tokens import Token
from shared.storage.database import Database
from shared.storage.position import Standing, read_standing

_PAUSE = 0.004
_LATER = 0.05
"""Of the time waited: so much later than it is so, at most, one who waits long is told."""
_RECENT = 0.003
"""Seconds for which a look serves others too: of many who wait, one looks for all."""


class Lookout:
    """Looks at the positions for everybody in this process who waits for them."""

    def __init__(self) -> None:
        self._look: asyncio.Task[Standing] | None = None
        self._began = float("-inf")

    async def wait(self, database: Database, token: Token, *, deadline_seconds: float, clock: Clock) -> None:
        """Return once everything that the token names is applied.

        Raises BehindError when that is not so after `deadline_seconds` (the edge adds the present state to it),
        InvalidInputError for a token of another generation, whose numbers say nothing about this stream.
        """
        began = clock.monotonic()
        while behind := missing(token, await self._standing(database, clock)):
            waited = clock.monotonic() - began
            if waited >= deadline_seconds:
                raise BehindError(f"{behind} of the awaited events are not applied yet: ask again, or without `after`.")
            await asyncio.sleep(min(max(_PAUSE, _LATER * waited), deadline_seconds - waited))

    async def _standing(self, database: Database, clock: Clock) -> Standing:
        look, now = self._look, clock.monotonic()
        if look is None or (look.done() and (now - self._began > _RECENT or look.cancelled() or look.exception())):
            look = self._look = asyncio.create_task(_read(database))
            self._began = now
        return await asyncio.shield(look)  # one of them may give up, the others still want to know


async def _read(database: Database) -> Standing:
    async with database.statements() as reader:
        return await read_standing(reader)


def missing(token: Token, standing: Standing) -> int:
    """How many of the awaited events this standing lacks. Raises InvalidInputError for another generation's token."""
    if standing.generation is None:  # nothing is applied yet: any stream may be the one that it means
        return token.missing({})
    named = token.within(standing.generation)
    if named is None:
        raise InvalidInputError(
            "The token belongs to another generation of the stream: ask without it.",
            faults=[Fault("after", f"must be of generation {standing.generation}")],
        )
    return named.missing(standing.positions)
