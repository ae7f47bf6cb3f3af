"""Read your writes: wait, within a bound, until the events that a token names are applied.

Workers tell what they have applied, so that who waits need not ask again and again. What is told decides nothing: it
comes after the commit, in a transaction of its own, and who misses it looks for himself a little later.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress

from shared.kernel.clock import Clock
from shared.kernel.errors import BehindError, Fault, InvalidInputError, UnavailableError
from shared.kernel.tokens import Token
from shared.storage.database import Database, Reader
from shared.storage.position import Standing, read_standing

_PAUSE = 0.004
_LATER = 0.05
"""Of the time waited: so much later than it is so, at most, one who waits long is told."""
_RECENT = 0.003
"""Seconds for which a look serves others too: of many who wait, one looks for all."""


def channel_of(database: Database) -> str:
    """Where it is told what was applied of the build that this database is bound to."""
    return f"{database.schemas[0]}_applied"


async def tell(reader: Reader, channel: str, applied: Mapping[int, int]) -> None:
    """Tell everybody who listens that these partitions are applied up to these numbers."""
    said = [f"{partition} {number}" for partition, number in applied.items()]
    await reader.rows("SELECT pg_notify($1, said) FROM unnest($2::text[]) AS said", channel, said)


class Lookout:
    """Knows for everybody in this process who waits how far the partitions are applied: it hears of it, or looks."""

    def __init__(self, database: Database, clock: Clock, *, seldom: float = 0.1) -> None:
        """`seldom`: seconds after which it looks although it listens and hears nothing."""
        self._database = database
        self._clock = clock
        self._seldom = seldom
        self._look: asyncio.Task[Standing] | None = None
        self._began = float("-inf")
        self._generation: int | None = None
        self._heard: dict[int, int] | None = None
        """Partition → number, as it was told last; None while nobody listens."""
        self._waiting: dict[asyncio.Future[None], Token] = {}

    @property
    def is_listening(self) -> bool:
        """Whether what is told reaches it."""
        return self._heard is not None

    async def listen(self) -> None:
        """Hear of the current build until cancelled. Meanwhile, and while PostgreSQL is away, who waits looks often."""
        while True:
            with suppress(UnavailableError):
                await self._listen()
            await asyncio.sleep(self._seldom)

    async def _listen(self) -> None:
        channel = channel_of(self._database)
        async with self._database.session() as connection:
            await connection.add_listener(channel, self._hear)
            self._heard = {}
            try:
                while True:
                    await asyncio.sleep(self._seldom)
                    if connection.is_closed() or channel != channel_of(self._database):
                        return
            finally:
                self._heard = None
                if not connection.is_closed():
                    await connection.remove_listener(channel, self._hear)

    def _hear(self, _connection: object, _process: int, _channel: str, said: object) -> None:
        if self._heard is None:
            return
        partition, number = str(said).split()
        self._heard[int(partition)] = int(number)
        for future, token in self._waiting.items():
            if self._has_heard(token) and not future.done():
                future.set_result(None)

    def _has_heard(self, token: Token) -> bool:
        """Whether it was told that everything is applied. Of another generation nothing is told."""
        named = None if self._generation is None or not self._heard else token.within(self._generation)
        return named is not None and self._heard is not None and not named.missing(self._heard)

    async def wait(self, token: Token, *, deadline_seconds: float, trusting: bool = True) -> None:
        """Return once everything that the token names is applied.

        `trusting`: it is enough to have heard so, because who reads then sees for himself. Raises BehindError when it
        is not so after `deadline_seconds` (the edge adds the present state to it), InvalidInputError for a token of
        another generation, whose numbers say nothing about this stream.
        """
        began = self._clock.monotonic()
        while not (trusting and self._has_heard(token)):
            if not (behind := missing(token, await self._standing())):
                return
            waited = self._clock.monotonic() - began
            if waited >= deadline_seconds:
                raise BehindError(f"{behind} of the awaited events are not applied yet: ask again, or without `after`.")
            pause = min(max(_PAUSE, _LATER * waited), deadline_seconds - waited)
            if trusting and self.is_listening:
                await self._told(token, max(pause, min(self._seldom, deadline_seconds - waited)))
            else:
                await asyncio.sleep(pause)

    async def _told(self, token: Token, seconds: float) -> None:
        """Until it is told that the events are applied, or for so long."""
        if self._has_heard(token):  # while the look was under way
            return
        told = asyncio.get_running_loop().create_future()
        self._waiting[told] = token
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await told
        finally:
            del self._waiting[told]

    async def _standing(self) -> Standing:
        look, now = self._look, self._clock.monotonic()
        if look is None or (look.done() and (now - self._began > _RECENT or look.cancelled() or look.exception())):
            look = self._look = asyncio.create_task(_read(self._database))
            self._began = now
        standing = await asyncio.shield(look)  # one of them may give up, the others still want to know
        self._generation = standing.generation
        return standing


async def _read(database: Database) -> Standing:
    async with database.statements() as reader:
        return await read_standing(reader)


def missing(token: Token, standing: Standing) -> int:
    """How many of the awaited events this standing lacks; at least one while it stands in an earlier epoch.

    Raises InvalidInputError for a token of another generation, or of an epoch that is over.
    """
    if standing.generation is None:  # nothing is applied yet: any stream may be the one that it means
        return token.missing({})
    named = token.within(standing.generation)
    if named is None:
        raise InvalidInputError(
            "The token belongs to another generation of the stream: ask without it.",
            faults=[Fault("after", f"must be of generation {standing.generation}")],
        )
    behind = 0
    for partition, number in named.positions:
        epoch = standing.epochs.get(partition, 1)
        if epoch > named.epoch:
            raise InvalidInputError(
                "The inbox was restored from a backup after this token was given, and its events may be lost: ask "
                "without it, and send again what is missing.",
                faults=[Fault("after", f"must be of epoch {epoch}")],
            )
        behind += max(number - standing.positions.get(partition, 0), named.epoch - epoch)
    return behind
