"""Read your writes: wait, within a bound, until the events that a token names are applied."""

import asyncio

from shared.kernel.clock import Clock
from shared.kernel.errors import BehindError, Fault, InvalidInputError
from shared.kernel.tokens import Token
from shared.storage.database import Database
from shared.storage.position import Standing, read_standing

_FIRST_PAUSE = 0.004
_LONGEST_PAUSE = 0.25
_SLOWER = 1.15
"""By how much each pause is longer: whoever waits is told at most so much too late."""


async def wait_until_applied(database: Database, token: Token, *, deadline_seconds: float, clock: Clock) -> None:
    """Return once everything that the token names is applied.

    Raises BehindError when that is not so after `deadline_seconds` (the edge adds the present state to it),
    InvalidInputError for a token of another generation, whose numbers say nothing about this stream.
    """
    until = clock.monotonic() + deadline_seconds
    pause = _FIRST_PAUSE
    while behind := await _missing(database, token):
        left = until - clock.monotonic()
        if left <= 0:
            raise BehindError(f"{behind} of the awaited events are not applied yet: ask again, or without `after`.")
        await asyncio.sleep(min(pause, left))
        pause = min(pause * _SLOWER, _LONGEST_PAUSE)


async def _missing(database: Database, token: Token) -> int:
    async with database.statements() as reader:
        return missing(token, await read_standing(reader))


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
