"""Where a loop reads, how much at once, and the consumer for it."""

from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer

from shared.messaging.cluster import Brokers, options
from shared.messaging.deadlines import Deadlines


@dataclass(frozen=True, slots=True)
class LoopConfig:
    """Where to read, and how much at once."""

    bootstrap_servers: Brokers
    topic: str
    group: str
    instance: str
    batch: int = 2000
    """Records of one partition that are applied in one transaction."""
    few: int = 50
    rest: float = 0.01
    """Seconds that a partition rests after so few records or fewer, so that more gather: each transaction costs the
    machine more than an event, and while many small ones run all services wait for its processors."""
    session_timeout: float = 15.0
    between_hints: float = 1.0
    """Seconds; so much of the stream at most is read again, and skipped, by who takes a partition over."""
    gap_timeout: float = 30.0
    """Seconds that a gap may last before its partition stops."""
    silence: float = 15.0
    """Seconds without a record after which the log's end is compared with what was read."""
    metadata_age: float = 5.0
    """Seconds after which a topic that was created anew is found."""


def new_consumer(config: LoopConfig, deadlines: Deadlines) -> AIOKafkaConsumer:
    """A member of the group that commits nothing and begins nowhere by itself. Not started yet."""
    return AIOKafkaConsumer(
        **options(config.bootstrap_servers),
        group_id=config.group,
        group_instance_id=config.instance or None,
        enable_auto_commit=False,
        auto_offset_reset="none",
        max_poll_records=config.batch,
        fetch_max_wait_ms=100,
        max_partition_fetch_bytes=1024 * 1024,
        session_timeout_ms=int(config.session_timeout * 1000),
        heartbeat_interval_ms=int(config.session_timeout * 1000 / 5),
        request_timeout_ms=int(deadlines.call * 1000),
        retry_backoff_ms=100,
        metadata_max_age_ms=int(config.metadata_age * 1000),
    )
