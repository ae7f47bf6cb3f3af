"""The peer that a team would pick instead: Kafka Streams, a table of deals summed by stage and owner, exactly once.

Its jars are fetched as those of the broker are, each with a pinned SHA-256. The source is compiled with the compiler of
Eclipse on the Java that runs the broker, so that no JDK is needed.
"""

import asyncio
import os
import secrets
import subprocess
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from importlib.resources import as_file, files
from pathlib import Path
from typing import NamedTuple

import msgspec
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from quintant.stack import jars, java, processes, services
from quintant.stack.processes import ProcessId
from shared.contracts.records import StreamRecord
from tests.bench.ground import PARTITIONS, Busy, Ground, Place, on_core
from tests.bench.rounds import Rate

_HERE = Path(__file__).parent
_COMPILER = "ecj"
_POLL_MS = 20
_SILENCE = 60_000 // _POLL_MS
"""Polls without an answer after which nothing more is awaited."""


class Sums(NamedTuple):
    """What stands in one stage with one owner, and how many events its deals have had."""

    deals: int
    amount: Decimal
    events: int


NOTHING = Sums(0, Decimal(0), 0)


@dataclass(frozen=True, slots=True)
class Peer:
    """The compiled peer."""

    program: Path
    class_path: str

    @classmethod
    def build(cls, directory: Path) -> "Peer":
        """Fetch what is missing and compile into `directory`."""
        own = jars.read_list((_HERE / "jars.txt").read_text())
        found = dict(zip(own, jars.ensure(own, jars.cache_directory()), strict=True))
        compiler = next(path for jar, path in found.items() if jar.artifact == _COMPILER)
        libraries = [path for path in found.values() if path != compiler]
        libraries += jars.ensure(jars.listed(), jars.cache_directory())
        program, class_path = java.find_java().program, os.pathsep.join(map(str, libraries))
        command = [program, "-jar", compiler, "-17", "-cp", class_path, "-d", directory, _HERE / "Peer.java"]
        subprocess.run([str(part) for part in command], check=True)
        return cls(program, os.pathsep.join([str(directory), class_path]))

    @asynccontextmanager
    async def running(self, ground: Ground, source: str, target: str, state: Path) -> AsyncIterator[ProcessId]:
        """Read `source`, tell `target`, on the service's core."""
        with as_file(files("quintant.stack").joinpath("log4j2.xml")) as logging, on_core(ground.service_core):
            process = processes.spawn(
                [
                    self.program,
                    "-Xmx1g",
                    f"-Dlog4j2.configurationFile={logging}",
                    "-cp",
                    self.class_path,
                    "Peer",
                    *(ground.bootstrap, source, target, f"{target}-application", state),
                ],
                log=ground.home.fresh_log("peer"),
                env=services.environment(ground.home, "", "") | {processes.NAME_VARIABLE: "peer"},
                cwd=state,
            )
        try:
            yield process
        finally:
            await asyncio.to_thread(processes.stop, process, seconds=30)

    async def rate(self, ground: Ground, place: Place, source: str, expected: Mapping[str, Sums]) -> Rate:
        """From the first sums that it tells to the last ones, which have to be the expected ones."""
        target = f"{place.topic_prefix}peer-{secrets.token_hex(2)}"
        await _create(ground.bootstrap, target)
        state = ground.home.directory / target
        state.mkdir()
        async with self.running(ground, source, target, state) as process:
            return await _told(ground.bootstrap, target, process, expected)


async def _told(bootstrap: str, target: str, process: ProcessId, expected: Mapping[str, Sums]) -> Rate:
    """A JVM compiles while it runs: the first quarter is left out, to its advantage."""
    consumer = AIOKafkaConsumer(
        target,
        bootstrap_servers=bootstrap,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    await consumer.start()
    events = sum(one.events for one in expected.values())
    sums: dict[str, Sums] = {}
    first, busy, quiet = 0, Busy(process), 0
    try:
        while sums != expected:
            fetched = await consumer.getmany(timeout_ms=_POLL_MS)
            quiet = 0 if fetched else quiet + 1
            assert processes.is_alive(process), "the peer ended: see its log"
            assert quiet < _SILENCE, f"the peer fell silent with other sums than it should have: {sums}"
            for records in fetched.values():
                sums.update({one.key.decode(): _sums(one.value) for one in records})
            sums = {place: one for place, one in sums.items() if one != NOTHING}
            if not first and (told := sum(one.events for one in sums.values())) > events // 4:
                first, busy = told, Busy(process)
        return busy.rate(events - first)
    finally:
        await consumer.stop()


def _sums(told: bytes) -> Sums:
    deals, amount, events = told.decode().split()
    return Sums(int(deals), Decimal(amount), int(events))


def summed(stream: Iterable[tuple[int, StreamRecord]]) -> dict[str, Sums]:
    """What has to come out, computed anew."""
    deals: dict[str, tuple[str, str, Decimal, int]] = {}
    for _, record in stream:
        stage, owner, amount, events = deals.get(record.subject, ("", "", Decimal(0), 0))
        said = msgspec.json.decode(record.data)
        amount = Decimal(said["amount"]["amount"]) if "amount" in said else amount
        deals[record.subject] = said.get("stage", stage), said.get("owner_id", owner), amount, events + 1
    sums: dict[str, Sums] = {}
    for stage, owner, amount, events in deals.values():
        before = sums.get(place := f"{stage}|{owner}", NOTHING)
        sums[place] = Sums(before.deals + 1, before.amount + amount, before.events + events)
    return sums


async def _create(bootstrap: str, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, PARTITIONS, 1)])
    finally:
        await admin.close()
