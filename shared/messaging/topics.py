"""Creates the topics of the registry. Repeating it changes nothing; a topic of another shape is reported."""

import re

import structlog
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

from shared.contracts.topics import TOPICS, Topic, topic_name
from shared.kernel.errors import StoppedError
from shared.messaging.abandoning import abandon
from shared.messaging.cluster import Brokers, options
from shared.messaging.deadlines import Deadlines, within

_LOG = structlog.get_logger(__name__)
_COPIES = 3
"""Replicas of each partition, or as many as there are brokers."""


async def create_topics(bootstrap_servers: Brokers, *, prefix: str, partitions: int, generation: int) -> list[str]:
    """Create what is missing; the names of all. Raises StoppedError if one has another number of partitions."""
    deadlines = Deadlines()
    admin = AIOKafkaAdminClient(**options(bootstrap_servers), request_timeout_ms=10_000)
    try:
        await within(deadlines.start, admin.start(), "connecting to create topics")
        wanted = {topic_name(one.slug, prefix=prefix, generation=generation): one for one in TOPICS.values()}
        have = set(await within(deadlines.call, admin.list_topics(), "listing topics"))
        if generation == 1 and _is_past(prefix, have):
            wanted = {name: topic for name, topic in wanted.items() if not topic.generational}
        missing = {name: topic for name, topic in wanted.items() if name not in have}
        if missing:
            cluster = await within(deadlines.call, admin.describe_cluster(), "asking for the brokers")
            copies = min(_COPIES, len(cluster["brokers"]))
            for name, topic in missing.items():
                await _create(admin, name, topic, partitions, copies)
        await _check(admin, wanted, partitions)
        return list(wanted)
    finally:
        await abandon(admin, deadlines.stop)


def _is_past(prefix: str, have: set[str]) -> bool:
    """Whether the stream was cut anew: then its first generation may be gone, and must not come back."""
    return any(re.fullmatch(re.escape(topic_name("sales-events", prefix=prefix)) + r"-\d+", name) for name in have)


async def delete_topics(brokers: Brokers, *, prefix: str, generation: int) -> None:
    """Delete the topics that were made for one generation alone."""
    deadlines = Deadlines()
    gone = {topic_name(one.slug, prefix=prefix, generation=generation) for one in TOPICS.values() if one.generational}
    admin = AIOKafkaAdminClient(**options(brokers), request_timeout_ms=10_000)
    try:
        await within(deadlines.start, admin.start(), "connecting to delete topics")
        have = set(await within(deadlines.call, admin.list_topics(), "listing topics"))
        if gone & have:
            await within(deadlines.call, admin.delete_topics(sorted(gone & have)), "deleting topics")
            _LOG.info("topics_deleted", topics=sorted(gone & have))
    finally:
        await abandon(admin, deadlines.stop)


async def _create(admin: AIOKafkaAdminClient, name: str, topic: Topic, partitions: int, copies: int) -> None:
    new = NewTopic(name, topic.partitions or partitions, copies, topic_configs=dict(topic.config))
    response = await within(Deadlines().call, admin.create_topics([new]), f"creating topic {name}")
    for _, code, *rest in response.topic_errors:
        if code not in (0, TopicAlreadyExistsError.errno):
            raise StoppedError(
                f"Kafka refused to create topic {name}: {for_code(code).__name__} {rest[0] if rest else ''}"
            )
    _LOG.info("topic_created", topic=name)


async def _check(admin: AIOKafkaAdminClient, wanted: dict[str, Topic], partitions: int) -> None:
    described = await within(Deadlines().call, admin.describe_topics(list(wanted)), "describing topics")
    for found in described:
        name = found["topic"]
        expected = wanted[name].partitions or partitions
        if found["partitions"] and len(found["partitions"]) != expected:
            raise StoppedError(
                f"topic {name} has {len(found['partitions'])} partitions, the settings say {expected}: "
                "set QUINTANT_PARTITIONS to what it has, and use `quintant repartition` for another number"
            )
