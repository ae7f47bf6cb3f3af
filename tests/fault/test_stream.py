"""The stream itself broken: truncated, recreated, poisoned, restored from a backup, beside a wrong clock."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete

from tests.fault.checks import Poison
from tests.fault.company import EVERYBODY, FOLDING, INGEST, PARTITIONS, RELAY, Company, until
from tests.fault.fire import Ground, Round, under_fire

pytestmark = pytest.mark.fault
GROUP = "Stream, clocks and backups"

Headers = list[tuple[str, bytes]]
_EVENT: Headers = [("ce_specversion", b"1.0"), ("ce_type", b"io.quintant.deal.changed.v1"), ("ce_id", b"x")]
POISON: dict[str, tuple[bytes | None, bytes | None, Headers]] = {
    "no headers": (b"deal/x", b"{}", []),
    "not JSON": (b"deal/x", b"\xff\xfe not json", _EVENT),
    "no value": (b"deal/x", None, _EVENT),
    "no key": (None, b'{"id":"x"}', _EVENT),
    "a number that is none": (b"deal/x", b'{"id":"x"}', [*_EVENT, ("q_number", b"-1")]),
    "a number that is text": (b"deal/x", b'{"id":"x"}', [*_EVENT, ("q_number", b"\xff")]),
    "an unknown type": (b"deal/x", b'{"id":"x"}', [("ce_type", b"com.example.foreign.v1")]),
    "large": (b"deal/x", b"{" * 500_000, _EVENT),
}


@asynccontextmanager
async def admin_of(company: Company) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=company.bootstrap)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def inject(this: Round, kinds: list[str]) -> None:
    """Write poison to the stream as a stranger would."""
    producer = AIOKafkaProducer(bootstrap_servers=this.company.bootstrap, acks="all")
    await producer.start()
    try:
        for kind in kinds:
            key, value, headers = POISON[kind]
            partition = this.draw.randrange(PARTITIONS)
            topic = this.company.topic("sales-events")
            written = await producer.send_and_wait(topic, value, key, partition=partition, headers=headers)
            one = Poison(partition, written.offset, key, value)
            this.ground.poison.append(one)
            this.ground.buried.append(one)
            this.injected()
            await this.passes(0.1, 0.4)
    finally:
        await producer.stop()


async def test_poison_of_every_kind(ground: Ground) -> None:
    async with under_fire(ground, "poison of every kind", seconds=6) as this:
        kinds = list(POISON)
        this.draw.shuffle(kinds)
        await inject(this, kinds)


async def test_poison_while_workers_are_killed(ground: Ground) -> None:
    async with under_fire(ground, "poison while workers are killed", seconds=6) as this:
        for name in FOLDING:
            await inject(this, this.draw.sample(list(POISON), 2))
            await this.company.kill(name)
            this.injected()
            await this.company.start(name)


async def test_references_race_with_what_uses_them(ground: Ground) -> None:
    """Prices change while deals that use them come, and the workers are killed in between."""
    async with under_fire(ground, "reference data racing with the entities that use them", seconds=6) as this:
        for number in range(8):
            await asyncio.gather(this.tell_refold(40, tag=f"race-{number}"), *(this.change_price() for _ in range(3)))
            this.injected()
            if number in (3, 6):
                await this.company.kill("metrics-worker")
                await this.company.start("metrics-worker")


async def test_clocks_are_stepped(ground: Ground) -> None:
    """Processes whose wall clock jumps by hours and days, forth and back."""
    async with under_fire(ground, "clocks of processes stepped", seconds=6) as this:
        for step in (3_600, -7_200, 86_400 * 3, -86_400 * 30, 0):
            for name in EVERYBODY:
                await this.company.inside(name, f"step {step if this.draw.random() < 0.7 else 0}")
                this.injected()
            await this.passes(0.5, 1.5)
        for name in EVERYBODY:
            await this.company.inside(name, "step 0")


async def test_the_business_day_goes_back(ground: Ground) -> None:
    """Ingest in the first time zone of the world, then in the last: its business day must not go back."""
    async with under_fire(ground, "business day of ingest forth and back", seconds=8) as this:
        for zone in ("Pacific/Kiritimati", "Etc/GMT+12", "Pacific/Kiritimati"):
            await this.company.stop(INGEST)
            await this.company.start(INGEST, QUINTANT_COMPANY_TIME_ZONE=zone)
            this.injected()
            await this.passes(0.5, 1)
        await this.company.stop(INGEST)
        await this.company.start(INGEST)


async def test_the_topic_is_truncated(ground: Ground) -> None:
    """By a wrong retention: the relay finds that it does not begin with number 1 and sends it again."""
    async with under_fire(ground, "topic truncated", seconds=6) as this:
        await this.passes(0.5, 1)
        async with admin_of(this.company) as admin:
            topic = this.company.topic("sales-events")
            below = {
                TopicPartition(topic, p): RecordsToDelete(before_offset=this.draw.randrange(5, 40))
                for p in range(PARTITIONS)
            }
            await admin.delete_records(below)
        this.injected()
        ground.poison.clear()
        await this.company.kill(RELAY, "metrics-worker")
        await this.company.start(RELAY, "metrics-worker")


async def test_the_topic_is_recreated(ground: Ground) -> None:
    """Deleted and made anew while everything runs: it is sent again, nothing is skipped."""
    async with under_fire(ground, "topic deleted and made anew", seconds=8) as this:
        await this.passes(0.5, 1)
        topic = this.company.topic("sales-events")
        async with admin_of(this.company) as admin:
            await admin.delete_topics([topic])

            async def gone() -> bool:
                return topic not in await admin.list_topics()

            await until(gone, 20)
            made = NewTopic(topic, PARTITIONS, 1, topic_configs={"retention.ms": "-1", "cleanup.policy": "delete"})
            await admin.create_topics([made])
        this.injected()
        ground.poison.clear()


async def test_the_inbox_is_restored(ground: Ground) -> None:
    """From a backup older than what was published: a new epoch, and what was lost is sent again by its sources."""
    async with under_fire(ground, "inbox restored from an older backup (new epoch)", seconds=10) as this:
        company = this.company
        await company.stop(*FOLDING)
        async with company.database() as connection:
            kept = await connection.fetchrow("SELECT max(seq) AS seq, clock_timestamp() AS at FROM ingest.event")
        await this.passes(2, 4)
        await company.stop(INGEST, RELAY)
        await restore(company, kept["seq"], kept["at"])
        this.feed.tell_all_again()
        this.injected()
        ground.poison.clear()
        await company.start(INGEST, RELAY)
        await until(lambda: is_made_again(company), 60, what="the relay has sent the topic again")
        await company.start(*FOLDING)


async def restore(company: Company, kept: int, at: datetime) -> None:
    """What `pg_restore` of a backup at that moment and the statement of the manual leave behind."""
    async with company.database() as connection, connection.transaction():
        await connection.execute("DELETE FROM ingest.stream WHERE seq > $1", kept)
        await connection.execute("DELETE FROM ingest.event WHERE seq > $1", kept)
        await connection.execute("DELETE FROM ingest.quarantine WHERE received_at > $1", at)
        await connection.execute("UPDATE ingest.quarantine SET released_at = NULL WHERE released_at > $1", at)
        await connection.execute(
            """UPDATE ingest.head SET number =
               (SELECT coalesce(max(number), 0) FROM ingest.stream WHERE stream.partition = head.partition)"""
        )
        await connection.execute("UPDATE ingest.head SET epoch = epoch + 1, last_valid = number")


async def is_made_again(company: Company) -> bool:
    return "stream_made_again" in await asyncio.to_thread(company.running.log, RELAY)
