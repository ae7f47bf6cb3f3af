"""The topic registry and the names of generations."""

import pytest

from shared.contracts.topics import TOPICS, topic_name


def test_the_topics() -> None:
    assert list(TOPICS) == [
        "sales-events", "sales-progress", "pipeline-events", "metrics-alerts", "forecast-results", "dead-letters",
    ]  # fmt: skip
    assert all(topic.producers and topic.consumers for topic in TOPICS.values())


def test_the_stream_keeps_everything() -> None:
    assert TOPICS["sales-events"].config == {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
    assert TOPICS["sales-events"].partitions is None
    assert TOPICS["sales-progress"].config["cleanup.policy"] == "compact"


@pytest.mark.parametrize(
    ("slug", "prefix", "generation", "name"),
    [
        ("sales-events", "", 1, "sales-events"),
        ("sales-events", "", 2, "sales-events-2"),
        ("sales-progress", "t1-", 3, "t1-sales-progress-3"),
        ("dead-letters", "t1-", 3, "t1-dead-letters"),
        ("pipeline-events", "", 2, "pipeline-events"),
    ],
)
def test_names(slug: str, prefix: str, generation: int, name: str) -> None:
    assert topic_name(slug, prefix=prefix, generation=generation) == name
