"""Kafka with encryption and a login: every client gets in as the settings say, and nobody else does."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from quintant.stack import processes, services
from quintant.stack.home import Home
from quintant.stack.ports import LOOPBACK
from shared.kernel.errors import UnavailableError
from shared.messaging.cluster import Cluster, check_brokers
from shared.messaging.deadlines import Deadlines
from shared.messaging.producer import Outgoing, open_producer
from shared.messaging.tail import purge, read_ends
from shared.runtime.entry import load
from shared.runtime.settings import SettingsError, TopicSettings
from tests.integration.shared_runtime.guarded_broker import (
    PASSWORD,
    USER,
    Authority,
    GuardedBroker,
    new_guarded_broker,
)
from tests.running import Running

DEADLINES = Deadlines(start=20, call=20, send=20)


@pytest.fixture(scope="module")
def authority(own_directory: Path) -> Authority:
    return Authority.new(own_directory / "certificates")


@pytest.fixture(scope="module")
def guarded(own_directory: Path, authority: Authority) -> Iterator[GuardedBroker]:
    broker = new_guarded_broker(own_directory, authority)
    process = broker.start()
    try:
        broker.allow()
        yield broker
    finally:
        processes.kill(process)


@pytest.fixture
def environment(
    monkeypatch: pytest.MonkeyPatch, guarded: GuardedBroker, authority: Authority, tmp_path: Path
) -> pytest.MonkeyPatch:
    password = tmp_path / "password"
    password.write_text(f"{PASSWORD}\n")
    said = {
        "KAFKA_BOOTSTRAP_SERVERS": f"{LOOPBACK}:{guarded.login_port}",
        "QUINTANT_KAFKA_SECURITY_PROTOCOL": "sasl_ssl",
        "QUINTANT_KAFKA_CA_FILE": str(authority.ca_file),
        "QUINTANT_KAFKA_USER": USER,
        "QUINTANT_KAFKA_PASSWORD_FILE": str(password),
    }
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "scram-sha-512"])
async def test_a_user_gets_in(environment: pytest.MonkeyPatch, mechanism: str) -> None:
    environment.setenv("QUINTANT_KAFKA_SASL_MECHANISM", mechanism)
    await check_brokers(load(TopicSettings).kafka)


async def test_a_certificate_gets_in(
    environment: pytest.MonkeyPatch, guarded: GuardedBroker, authority: Authority
) -> None:
    environment.setenv("KAFKA_BOOTSTRAP_SERVERS", f"{LOOPBACK}:{guarded.certificate_port}")
    environment.setenv("QUINTANT_KAFKA_SECURITY_PROTOCOL", "SSL")
    for name in ("QUINTANT_KAFKA_USER", "QUINTANT_KAFKA_PASSWORD_FILE"):
        environment.setenv(name, "")
    with pytest.raises(UnavailableError):
        await check_brokers(load(TopicSettings).kafka)
    environment.setenv("QUINTANT_KAFKA_CERTIFICATE_FILE", str(authority.issue("client")))
    await check_brokers(load(TopicSettings).kafka)


async def test_who_is_not_trusted_or_not_known_does_not_get_in(
    environment: pytest.MonkeyPatch, guarded: GuardedBroker, tmp_path: Path
) -> None:
    settings = load(TopicSettings)
    stranger = Authority.new(tmp_path / "stranger")
    wrong = [
        settings.model_copy(update={"kafka_ca_file": stranger.ca_file}),
        settings.model_copy(update={"kafka_user": "somebody"}),
        settings.model_copy(update={"kafka_security_protocol": "SSL"}),
        settings.model_copy(update={"kafka_security_protocol": "PLAINTEXT"}),
    ]
    for one in wrong:
        with pytest.raises(UnavailableError):
            await check_brokers(one.kafka)
    with pytest.raises(UnavailableError, match="cannot be read"):
        await check_brokers(Cluster(settings.kafka_bootstrap_servers, "SSL", ca_file=tmp_path / "none"))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"QUINTANT_KAFKA_USER": ""}, "set QUINTANT_KAFKA_USER and"),
        ({"QUINTANT_KAFKA_PASSWORD_FILE": ""}, "set QUINTANT_KAFKA_USER and"),
        ({"QUINTANT_KAFKA_SECURITY_PROTOCOL": "SSL"}, "else neither"),
        ({"QUINTANT_KAFKA_SECURITY_PROTOCOL": "TLS"}, "QUINTANT_KAFKA_SECURITY_PROTOCOL"),
        ({"QUINTANT_KAFKA_CA_FILE": "/nowhere"}, "QUINTANT_KAFKA_CA_FILE"),
    ],
)
def test_settings_that_cannot_be_meant(environment: pytest.MonkeyPatch, change: dict[str, str], problem: str) -> None:
    for name, value in change.items():
        environment.setenv(name, value)
    with pytest.raises(SettingsError, match=problem) as refused:
        load(TopicSettings)
    assert PASSWORD not in str(refused.value)


async def test_every_client_gets_in(
    environment: pytest.MonkeyPatch, database_url: str, own_directory: Path, topic_prefix: str
) -> None:
    """Topics, producer, consumer, admin, and the workers that have them all."""
    cluster = load(TopicSettings).kafka
    home = Home(own_directory)
    env = services.environment(home, database_url, cluster.bootstrap_servers)
    running = Running(home, env | {"QUINTANT_TOPIC_PREFIX": topic_prefix})
    await asyncio.to_thread(running.prepare)
    try:
        await asyncio.to_thread(running.start, ["ingest-worker", "metrics-worker"])
    finally:
        await asyncio.to_thread(running.stop)
    topic = f"{topic_prefix}dead-letters"
    async with open_producer(cluster, DEADLINES) as producer:
        await producer.send(topic, 0, [Outgoing(b"k", b"v", [])])
    assert [one.value for one in (await read_ends(cluster, topic, [0], DEADLINES))[0].last] == [b"v"]
    await purge(cluster, topic, {0: 1}, DEADLINES)
    assert (await read_ends(cluster, topic, [0], DEADLINES))[0].first is None
