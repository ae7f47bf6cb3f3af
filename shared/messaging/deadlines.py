"""A deadline on every call to a broker: several of aiokafka's wait for ever when the broker is gone."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TypeVar

from aiokafka.errors import KafkaError

from shared.kernel.errors import UnavailableError

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds after which each call to the broker is given up."""

    start: float = 15.0
    call: float = 10.0
    send: float = 20.0
    stop: float = 5.0


USUAL = Deadlines()


async def within(seconds: float, call: Awaitable[Result], doing: str) -> Result:
    """The result of a call to the broker. Raises UnavailableError when it fails or takes longer than `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            return await call
    except TimeoutError as error:
        raise UnavailableError(f"Kafka did not answer within {seconds:g} s while {doing}") from error
    except (OSError, RuntimeError) as error:  # a KafkaError is a RuntimeError
        if not is_lost(error):
            raise
        raise UnavailableError(f"Kafka failed while {doing}: {type(error).__name__}") from error
    except asyncio.CancelledError as error:
        if is_cancelled():
            raise
        raise UnavailableError(f"Kafka's client gave up while {doing}") from error


def is_lost(error: OSError | RuntimeError) -> bool:
    """Whether the broker or a connection to it was lost, and nothing is wrong with us.

    Of a connection that is closed uvloop says so with a RuntimeError; aiokafka expects an OSError and lets it escape.
    """
    return isinstance(error, OSError | KafkaError) or "the handler is closed" in str(error)


def is_cancelled() -> bool:
    """Whether it is we who are cancelled. aiokafka cancels tasks of its own and lets the error of that escape."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


class Backoff:
    """Growing pauses between tries, from 0.1 s to `longest`, doubled each time and reset by success."""

    def __init__(self, longest: float = 5.0) -> None:
        self._longest = longest
        self._next = 0.1

    def reset(self) -> None:
        """The next pause is short again."""
        self._next = 0.1

    async def pause(self) -> None:
        """Wait before the next try."""
        await asyncio.sleep(self._next)
        self._next = min(self._next * 2, self._longest)
