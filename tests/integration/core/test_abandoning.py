"""A Kafka client that is given up leaves nothing running, whatever it was doing when its broker went away."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.client import AIOKafkaClient

from shared.kernel.errors import UnavailableError
from shared.messaging.abandoning import Client, abandon
from shared.messaging.cluster import options
from shared.messaging.deadlines import within
from tests.servers import Server

PATIENCE = 0.2


@pytest.fixture
async def topic(broker: Server) -> str:
    name = f"abandoned-{secrets.token_hex(4)}"
    admin = AIOKafkaAdminClient(**options(broker.address))
    await admin.start()
    await admin.create_topics([NewTopic(name, 2, 1)])
    await admin.close()
    return name


async def producing(address: str, topic: str) -> AIOKafkaProducer:
    client = AIOKafkaProducer(**options(address), acks="all", request_timeout_ms=60_000)
    await client.start()
    await client.send_and_wait(topic, b"told", partition=0)
    return client


async def consuming(address: str, topic: str) -> AIOKafkaConsumer:
    client = AIOKafkaConsumer(
        topic, **options(address), group_id=topic, auto_offset_reset="earliest", request_timeout_ms=60_000
    )
    await client.start()
    while not client.assignment():
        await client.getmany(timeout_ms=100)
    return client


async def joining(address: str, topic: str) -> AIOKafkaConsumer:
    """It has asked for the group and has no partitions yet."""
    client = AIOKafkaConsumer(**options(address), group_id=topic, request_timeout_ms=60_000)
    await client.start()
    client.subscribe([topic])
    return client


async def looking(address: str, topic: str) -> AIOKafkaConsumer:
    client = AIOKafkaConsumer(**options(address), request_timeout_ms=60_000)
    await client.start()
    return client


async def administering(address: str, topic: str) -> AIOKafkaAdminClient:
    client = AIOKafkaAdminClient(**options(address), request_timeout_ms=60_000)
    await client.start()
    return client


async def asking(address: str, topic: str) -> AIOKafkaClient:
    client = AIOKafkaClient(**options(address), request_timeout_ms=60_000)
    await client.bootstrap()
    return client


async def use(client: Client, topic: str) -> None:
    """A call that waits for the broker, as it does in the moment in which the broker is lost."""
    if isinstance(client, AIOKafkaProducer):
        await asyncio.gather(*[await client.send(topic, b"lost", partition=partition) for partition in (0, 1)])
    elif isinstance(client, AIOKafkaConsumer):
        await client.topics()
    elif isinstance(client, AIOKafkaAdminClient):
        await client.list_topics()
    else:
        await client.fetch_all_metadata()


@asynccontextmanager
async def nothing_left() -> AsyncIterator[None]:
    """At the end no task runs but those that ran before."""
    before = asyncio.all_tasks()
    yield
    with suppress(TimeoutError):
        async with asyncio.timeout(5):
            while left := asyncio.all_tasks() - before:
                await asyncio.wait(left)
    assert asyncio.all_tasks() - before == set()


@pytest.mark.parametrize("lose", [Server.freeze, Server.kill], ids=["frozen", "killed"])
@pytest.mark.parametrize("make", [producing, consuming, joining, looking, administering, asking])
async def test_a_client_that_lost_its_broker_leaves_nothing_running(
    broker: Server, topic: str, make: Callable[[str, str], Awaitable[Client]], lose: Callable[[Server], None]
) -> None:
    async with nothing_left():
        client = await make(broker.address, topic)
        lose(broker)
        with suppress(UnavailableError):
            await within(PATIENCE, use(client, topic), "using a lost broker")
        await abandon(client, PATIENCE)


async def test_a_client_that_is_stopped_politely_leaves_nothing_running(broker: Server, topic: str) -> None:
    for make in (producing, consuming, joining, looking, administering, asking):
        async with nothing_left():
            await abandon(await make(broker.address, topic), 30)


@pytest.mark.parametrize("make", [producing, consuming])
async def test_when_we_are_cancelled_nothing_is_left_either(
    broker: Server, topic: str, make: Callable[[str, str], Awaitable[Client]]
) -> None:
    async with nothing_left():
        client = await make(broker.address, topic)
        broker.freeze()
        with suppress(UnavailableError):
            await within(PATIENCE, use(client, topic), "using a lost broker")
        leaving = asyncio.create_task(abandon(client, 60))
        await asyncio.sleep(0)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving


def test_a_connection_that_uvloop_has_closed_is_a_lost_connection(broker: Server) -> None:
    """uvloop raises a RuntimeError there: it ended aiokafka's task of metadata, and then whoever stopped the client."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(asyncio.wait_for(write_to_what_is_closed(broker.address), 60))


async def write_to_what_is_closed(address: str) -> None:
    host, _, port = address.rpartition(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.transport.abort()
    with suppress(OSError):
        await writer.wait_closed()

    async def write() -> None:
        writer.write(b"asked")

    with pytest.raises(UnavailableError):
        await within(5, write(), "writing")
    client = await asking(address, "")
    client._sync_task.cancel()
    client._sync_task = asyncio.create_task(write())
    await asyncio.wait([client._sync_task])
    assert isinstance(client._sync_task.exception(), RuntimeError)
    await abandon(client, 5)
