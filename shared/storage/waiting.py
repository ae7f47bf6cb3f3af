"""Read your writes: wait, within a bound, until the events that a token names are applied."""

import asyncio

from shared.kernel.clock import Clock
from shared.kernel.errors import BehindError, Fault, InvalidInputError
from shared.kernel.tokens import Token
from shared.storage.database import Database

_FIRST_PAUSE = 0.005
_LONGEST_PAUSE = 0.25


async def wait_until_applied(
    database: Database, token: Token, *, generation: int, deadline_seconds: float, clock: Clock
) -> None:
    """Return once everything that the token names is applied.

    Raises BehindError when that is not so after `deadline_seconds` (the edge adds the present state to it),
    InvalidInputError for a token of another generation, whose numbers say nothing about this stream.
    """
    if token.generation != generation:
        raise InvalidInputError(
            "The token belongs to another generation of the stream: ask without it.",
            faults=[Fault("after", f"must be of generation {generation}")],
        )
    until = clock.monotonic() + deadline_seconds
    pause = _FIRST_PAUSE
    while missing := await _missing(database, token):
        left = until - clock.monotonic()
        if left <= 0:
            raise BehindError(f"{missing} of the awaited events are not applied yet: ask again, or without `after`.")
        await asyncio.sleep(min(pause, left))
        pause = min(pause * 1.5, _LONGEST_PAUSE)


async def _missing(database: Database, token: Token) -> int:
    async with database.read() as reader:
        rows = await reader.rows(
            "SELECT partition, number FROM position WHERE generation = $1 AND partition = ANY($2::int[])",
            token.generation,
            [partition for partition, _ in token.positions if partition < 2**31],
        )
    return token.missing({row["partition"]: row["number"] for row in rows})
