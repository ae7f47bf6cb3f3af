"""A service in miniature of each test's own: its schema, its topic and its consumer group."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from shared.messaging.topics import create_topics
from shared.storage.database import Database
from tests.integration.core.service import Settings, create_schema, open_schema
from tests.integration.core.stream import Stream, open_stream

PARTITIONS = 2
NewStream = Callable[[int], Awaitable[Stream]]


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    schema = f"core_{secrets.token_hex(4)}"
    await create_schema(database_url, schema)
    async with open_schema(database_url, schema) as opened:
        yield opened


@pytest.fixture(scope="module")
async def topics(kafka_bootstrap: str, topic_prefix: str) -> list[str]:
    """The topics of the registry: dead letters go there."""
    return await create_topics(kafka_bootstrap, prefix=topic_prefix, partitions=PARTITIONS, generation=1)


@pytest.fixture
async def new_stream(kafka_bootstrap: str, topic_prefix: str) -> AsyncIterator[NewStream]:
    async with AsyncExitStack() as stack:

        async def make(partitions: int) -> Stream:
            topic = f"{topic_prefix}stream-{secrets.token_hex(4)}"
            return await stack.enter_async_context(open_stream(kafka_bootstrap, topic, partitions))

        yield make


@pytest.fixture
async def stream(new_stream: NewStream) -> Stream:
    return await new_stream(PARTITIONS)


@pytest.fixture
def settings(stream: Stream, topic_prefix: str, topics: list[str]) -> Settings:
    return Settings(stream.bootstrap_servers, stream.topic, f"{stream.topic}-group", topic_prefix)
