"""A broker's settings follow from the cluster that it is part of."""

from pathlib import Path

import pytest

from quintant.stack import jars, kafka
from quintant.stack.java import Java


def _broker(size: int) -> kafka.Kafka:
    nodes = tuple(kafka.Node(index, 9000 + index, 9100 + index) for index in range(1, size + 1))
    java = Java(Path("/java"), 25)
    return kafka.Kafka(Path("/data"), nodes[0], nodes, Path("/log"), java, (Path("/a.jar"), Path("/b.jar")), "id")


@pytest.mark.parametrize(("size", "copies", "in_sync"), [(1, "1", "1"), (3, "3", "2"), (5, "3", "2")])
def test_copies_follow_the_number_of_brokers(size: int, copies: str, in_sync: str) -> None:
    settings = _broker(size)._properties()
    assert settings["default.replication.factor"] == settings["offsets.topic.replication.factor"] == copies
    assert settings["min.insync.replicas"] == settings["transaction.state.log.min.isr"] == in_sync
    assert settings["controller.quorum.voters"].count("@") == size


def test_only_loopback_is_listened_on() -> None:
    assert _broker(1)._properties()["listeners"] == "PLAINTEXT://127.0.0.1:9001,CONTROLLER://127.0.0.1:9101"


def test_cluster_ids_are_in_kafkas_form() -> None:
    made = {kafka.new_cluster_id() for _ in range(1000)}
    assert len(made) == 1000
    assert all(len(text) == 22 and not text.startswith("-") for text in made)


def test_every_jar_is_listed_once_with_its_digest() -> None:
    listed = jars.listed()
    assert len(listed) == len({jar.file_name for jar in listed}) == 47
    assert all(len(jar.sha256) == 64 and jar.size > 0 for jar in listed)
    assert f"kafka_2.13-{jars.KAFKA_VERSION}.jar" in {jar.file_name for jar in listed}
