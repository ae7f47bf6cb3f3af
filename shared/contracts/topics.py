"""The registry of Kafka topics: what each holds, how it is keyed and kept, who writes and who reads it."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from shared.contracts.entities import ENTITIES, event_type
from shared.contracts.records import EPOCH_STARTED

_DAY_MS = 24 * 60 * 60 * 1000
_FOR_EVER = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
_A_MONTH = {"cleanup.policy": "delete", "retention.ms": str(30 * _DAY_MS)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """One topic."""

    slug: str
    purpose: str
    key: str
    """What the key of a record means."""
    partitions: int | None
    """None: as configured (QUINTANT_PARTITIONS); another count is a new generation."""
    config: Mapping[str, str]
    """Topic configuration, by Kafka's own names."""
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    schemas: tuple[str, ...]
    """Names of the JSON Schemas of its values, in `shared/contracts/schemas`."""
    types: tuple[str, ...] = ()
    """CloudEvents types, where the list is closed."""
    generational: bool = False
    """Made anew, under another name, for each generation of the stream."""


_READERS = ("pipeline", "metrics", "forecast")

_TOPICS = (
    Topic(
        slug="sales-events",
        purpose="Every accepted event, numbered densely within its partition; kept for ever.",
        key="`<entity>/<id>`; reference entities go to every partition; `stream/epoch` starts an epoch",
        partitions=None,
        config=_FOR_EVER,
        producers=("ingest",),
        consumers=_READERS,
        schemas=(*ENTITIES, "epoch-started"),
        types=(*map(event_type, ENTITIES), EPOCH_STARTED),
        generational=True,
    ),
    Topic(
        slug="sales-progress",
        purpose="Up to which instant everything accepted has which numbers at most.",
        key="always `progress`",
        partitions=1,
        config={"cleanup.policy": "compact", "segment.ms": str(_DAY_MS), "delete.retention.ms": str(_DAY_MS)},
        producers=("ingest",),
        consumers=_READERS,
        schemas=("progress",),
        generational=True,
    ),
    Topic(
        slug="pipeline-events",
        purpose="What pipeline saw: a stage changed, a gate was missed, a deal stalled.",
        key="subject of the fact",
        partitions=1,
        config=_A_MONTH,
        producers=("pipeline",),
        consumers=("outside",),
        schemas=("fact",),
    ),
    Topic(
        slug="metrics-alerts",
        purpose="Alert episodes as they open, change and close.",
        key="subject of the fact",
        partitions=1,
        config=_A_MONTH,
        producers=("metrics",),
        consumers=("outside",),
        schemas=("fact",),
    ),
    Topic(
        slug="forecast-results",
        purpose="Forecasts as they are made, each with its vintage.",
        key="subject of the fact",
        partitions=1,
        config=_A_MONTH,
        producers=("forecast",),
        consumers=("outside",),
        schemas=("fact",),
    ),
    Topic(
        slug="dead-letters",
        purpose="Records that cannot be read: bytes and headers as they were, with origin and reason; kept for ever.",
        key="key of the refused record",
        partitions=1,
        # A refused record may be as large as a broker takes by default, and gets more headers.
        config=_FOR_EVER | {"max.message.bytes": str(2 * 1024 * 1024)},
        producers=_READERS,
        consumers=("operators",),
        schemas=(),
    ),
)

TOPICS: Mapping[str, Topic] = MappingProxyType({topic.slug: topic for topic in _TOPICS})


def topic_name(slug: str, *, prefix: str = "", generation: int = 1) -> str:
    """The name in the cluster. From the second generation on, `-<n>` follows the topics that are made anew."""
    suffix = f"-{generation}" if TOPICS[slug].generational and generation > 1 else ""
    return f"{prefix}{slug}{suffix}"
