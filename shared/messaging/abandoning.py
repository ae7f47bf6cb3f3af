"""Ends a Kafka client that cannot stop by itself: where aiokafka's own stop is cut short, its tasks go on for ever."""

# ruff: noqa: SLF001 - aiokafka tells of its tasks only in private attributes

import asyncio
from collections.abc import Iterator
from typing import TypeAlias

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import ProducerClosed

from shared.messaging.deadlines import is_cancelled, is_lost

Client: TypeAlias = AIOKafkaProducer | AIOKafkaConsumer | AIOKafkaAdminClient | AIOKafkaClient
_LOG = structlog.get_logger(__name__)
_CUT_SECONDS = 1.0
_PASSES = 3
"""A task that is cancelled while it waits for one of its own has to be cancelled again."""


async def abandon(client: Client, seconds: float) -> None:
    """Stop a client politely within the deadline, else cancel what it left running and close its connections."""
    try:
        async with asyncio.timeout(seconds):
            await _stop(client)
    except (OSError, RuntimeError, asyncio.CancelledError) as error:
        await _cut(client)
        if isinstance(error, RuntimeError) and not is_lost(error):
            raise
        if isinstance(error, asyncio.CancelledError) and is_cancelled():
            raise
        _LOG.warning("kafka_client_abandoned", error=type(error).__name__)


async def _stop(client: Client) -> None:
    await (client.close() if isinstance(client, AIOKafkaAdminClient | AIOKafkaClient) else client.stop())


async def _cut(client: Client) -> None:
    """End every task of a client, whatever state it is in.

    What is read here is private: a test with frozen brokers holds that none of it was renamed and no task is missing.
    """
    if isinstance(client, AIOKafkaProducer):
        client._message_accumulator.fail_all(ProducerClosed())
    left = {task for task in _tasks(client) if task is not None}
    for _ in range(_PASSES):
        for connection in list(_network(client)._conns.values()):
            connection.close()
        for task in left:
            task.cancel()
        if left:
            ended, left = await asyncio.wait(left, timeout=_CUT_SECONDS)
            await asyncio.gather(*ended, return_exceptions=True)


def _network(client: Client) -> AIOKafkaClient:
    if isinstance(client, AIOKafkaClient):
        return client
    return client.client if isinstance(client, AIOKafkaProducer) else client._client


def _tasks(client: Client) -> "Iterator[asyncio.Task[object] | None]":
    yield _network(client)._sync_task
    if isinstance(client, AIOKafkaProducer):
        yield client._sender.sender_task
    if isinstance(client, AIOKafkaConsumer):
        if fetcher := client._fetcher:
            yield fetcher._fetch_task
            yield from fetcher._pending_tasks
        for name in ("_coordination_task", "_heartbeat_task", "_commit_refresh_task", "_reset_committed_task"):
            yield getattr(client._coordinator, name, None)
