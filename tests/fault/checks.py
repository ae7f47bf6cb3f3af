"""Everything that must hold after a fault, found out without asking the code under test whether it is right."""

import asyncio
import json
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import asyncpg
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from tests import oracle
from tests.fault.company import FOLDERS, PARTITIONS, ZONE, Company, until
from tests.fault.feed import Identity, Told
from tests.fault.twin import Twin, behind, digests
from tests.fault.watch import Held, Watch, held, now
from tests.oracle.invented import PIPELINES

QUIET_WITHIN = 120.0
BOUNDED_WITHIN = 30.0
RELEASED_WITHIN = 45.0
ALLOWED = {"tasks": 12, "files": 40, "threads": 40, "memory": 120_000_000}
"""What a process may hold more than at the beginning: the pools of threads and connections have such limits."""
_EPOCH = b"io.quintant.stream.epoch-started.v1"
_SHOWN = 12
_DECIMAL = re.compile(r"-?\d+(\.\d+)?")


@dataclass(slots=True)
class Findings:
    """What the checks compared and what was wrong."""

    events: int = 0
    comparisons: int = 0
    violations: list[str] = field(default_factory=list)

    def wrong(self, what: str, found: Iterable[object]) -> None:
        """Name the first of what was found."""
        shown = [str(one) for one in found]
        if shown:
            more = f" … and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
            self.violations.append(f"{what}: {'; '.join(shown[:_SHOWN])}{more}")


@dataclass(frozen=True, slots=True)
class Poison:
    """A record that somebody else wrote to the stream."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None


@dataclass(slots=True)
class Evidence:
    """What the round knows: what was told, what was injected, what was held before."""

    told: list[Told]
    poison: list[Poison]
    """On the topic as it is now."""
    buried: list[Poison]
    """That ever was on it."""
    before: Mapping[str, Held]
    lost: bool = False
    """The broker lost what it had acknowledged: what was sent next stands before what had to be sent again."""


async def quiet(company: Company, watch: Watch) -> None:
    """Wait until everything accepted is applied by all, published, and every process is ready."""
    since = now()

    async def settled() -> bool:
        try:
            return watch.all_ready(since) and not await behind(company, FOLDERS)
        except (OSError, asyncpg.PostgresError):
            return False

    try:
        await until(settled, QUIET_WITHIN)
    except TimeoutError:
        unready = {name: seen[-1][2] for name, seen in watch.samples.items() if not seen[-1][1]}
        late = await behind(company, FOLDERS)
        raise TimeoutError(f"not quiet after {QUIET_WITHIN:g} s: not ready {unready}; behind {late}") from None


async def check(company: Company, watch: Watch, twin: Twin | None, evidence: Evidence) -> Findings:
    """All of it; the company is quiet."""
    findings = Findings()
    await _quarantine_is_settled(findings, company, evidence.told)
    await quiet(company, watch)
    async with company.database() as connection:
        inbox = await connection.fetch("SELECT * FROM ingest.event ORDER BY seq")
        stream = await connection.fetch("SELECT * FROM ingest.stream ORDER BY partition, number")
        await _numbers_are(findings, company, connection)
    findings.events = len(inbox)
    _inbox_holds(findings, evidence.told, inbox, company.waiting)
    await _topic_holds(findings, company, inbox, stream, evidence)
    await _dead_letters_are(findings, company, evidence.buried)
    if twin is not None:
        await _digests_are(findings, company, twin)
    await _lag_is_none(findings, company)
    await _held_is_bounded(findings, company, evidence.before)
    findings.violations += watch.trouble()
    return findings


def _inbox_holds(
    findings: Findings, told: Sequence[Told], inbox: Sequence[asyncpg.Record], waiting: Collection[Identity]
) -> None:
    """Acknowledged: there, with what it said, or set aside. Refused: nowhere. Uncertain: at most once."""
    found = Counter[Identity]((row["source"], row["event_id"]) for row in inbox)
    said = {(row["source"], row["event_id"]): json.loads(row["public"]) for row in inbox}
    findings.wrong("in the inbox more than once", [identity for identity, times in found.items() if times > 1])
    for one in told:
        identity = (one.event["source"], one.event["id"])
        if one.acknowledged and found[identity] != 1:
            findings.wrong("acknowledged and not in the inbox", [identity])
        if one.acknowledged and identity in said and _plain(said[identity]) != _plain(one.event["data"]):
            findings.wrong("in the inbox with other content", [(identity, said[identity], one.event["data"])])
        if one.held and not found[identity] and identity not in waiting:
            findings.wrong("set aside and lost", [identity])
        if one.refused and found[identity]:
            findings.wrong("refused and in the inbox", [identity])


async def _quarantine_is_settled(findings: Findings, company: Company, told: Sequence[Told]) -> None:
    """What was set aside is released soon after the stage that it names is known."""
    labels = {(one.event["source"], one.event["id"]): one.event["data"].get("stage") for one in told}
    known = _mapped(told)
    waiting: list[Identity] = []

    async def settled() -> bool:
        async with company.database() as connection:
            rows = await connection.fetch("SELECT * FROM ingest.quarantine WHERE released_at IS NULL")
        held_back = {(row["source"], row["event_id"]): row["waits_for"].removeprefix("stage-map/") for row in rows}
        company.waiting = set(held_back)
        waiting[:] = [one for one, chart in held_back.items() if (chart, labels.get(one)) in known]
        return not waiting

    with suppress(TimeoutError):
        await until(settled, RELEASED_WITHIN)
    findings.wrong("set aside and forgotten, though what it waits for is known", waiting)


def _mapped(told: Sequence[Told]) -> set[tuple[str, str]]:
    """Stage maps with the labels to which they give a stage of their pipeline, and that nobody ever took out again."""
    said: dict[tuple[str, str], list[bool]] = defaultdict(list)
    for one in told:
        if one.acknowledged and "stage-map" in one.event["type"]:
            data = one.event["data"]
            stages = {*PIPELINES.get(data["pipeline_id"], ()), "won", "lost"}
            for label, entry in data["stages"].items():
                said[data["id"], label].append(entry is not None and entry["stage"] in stages)
    return {place for place, known in said.items() if all(known)}


def _plain(said: object) -> object:
    """With decimals at one scale: the inbox writes them canonically."""
    match said:
        case dict():
            return {name: _plain(value) for name, value in said.items()}
        case str() if _DECIMAL.fullmatch(said):
            return Fraction(said)
        case _:
            return said


async def records(company: Company, topic: str, partitions: int) -> list[ConsumerRecord]:
    """Everything that a topic holds."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=company.bootstrap, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    async with asyncio.timeout(60):
        await consumer.start()
        try:
            places = [TopicPartition(topic, partition) for partition in range(partitions)]
            consumer.assign(places)
            ends = await consumer.end_offsets(places)
            await consumer.seek_to_beginning(*places)
            found: list[ConsumerRecord] = []
            while any([await consumer.position(place) < ends[place] for place in places]):
                for fetched in (await consumer.getmany(timeout_ms=200)).values():
                    found += fetched
            return [record for record in found if record.offset < ends[TopicPartition(topic, record.partition)]]
        finally:
            await consumer.stop()


async def _topic_holds(
    findings: Findings,
    company: Company,
    inbox: Sequence[asyncpg.Record],
    stream: Sequence[asyncpg.Record],
    evidence: Evidence,
) -> None:
    """Every number of the stream is on its topic with its event, first seen in order; and nothing else is.

    Whoever reads it from the beginning, and leaves out what comes too soon, comes to the end.
    """
    events = {row["seq"]: row for row in inbox}
    expected = {(row["partition"], row["number"]): events[row["seq"]] for row in stream if row["seq"] in events}
    injected = {(one.partition, one.offset) for one in evidence.poison}
    reached: dict[int, int] = defaultdict(int)
    seen: set[tuple[int, int]] = set()
    for record in await records(company, company.topic("sales-events"), PARTITIONS):
        headers = dict(record.headers)
        if (record.partition, record.offset) in injected or headers.get("ce_type") == _EPOCH:
            continue
        number = int(headers["q_number"])
        if number > reached[record.partition] + 1 and not evidence.lost:
            findings.wrong(
                "a hole in the topic", [(record.partition, record.offset, reached[record.partition], number)]
            )
        reached[record.partition] += number == reached[record.partition] + 1
        row = expected.get((record.partition, number))
        identity = (headers["ce_source"].decode(), headers["ce_id"].decode())
        if row is None or identity != (row["source"], row["event_id"]) or record.value != row["public"]:
            findings.wrong("on the topic and not in the inbox", [(record.partition, number, identity)])
        seen.add((record.partition, number))
    findings.wrong("in the inbox and not on its topic", sorted(expected.keys() - seen))
    beyond = [(partition, number) for partition, number in expected if number > reached[partition]]
    findings.wrong("on the topic where nobody comes who reads it in order", sorted(beyond))


async def _dead_letters_are(findings: Findings, company: Company, poison: Sequence[Poison]) -> None:
    """Each folding service kept each poisoned record, byte for byte, and nothing else."""
    topic = company.topic("sales-events")
    kept = set()
    for record in await records(company, company.topic("dead-letters"), 1):
        headers = {name: value.decode() for name, value in record.headers if name.startswith("q_dead_")}
        place = (int(headers["q_dead_partition"]), int(headers["q_dead_offset"]))
        assert headers["q_dead_topic"] == topic
        kept.add((headers["q_dead_service"], *place, record.key, record.value))
    expected = {(name, one.partition, one.offset, one.key, one.value) for name in FOLDERS for one in poison}
    findings.comparisons += len(expected)
    findings.wrong("poison that is not in the dead letters", [one[:3] for one in expected - kept])
    findings.wrong("dead letters that nobody injected", [one[:3] for one in kept - expected])


async def _numbers_are(findings: Findings, company: Company, connection: asyncpg.Connection) -> None:
    """Every KPI over HTTP and the sums of the ledgers are what the oracle says, now and as known on one past day."""
    events = await oracle.accepted(connection)
    schema = (await company.schemas(connection))["metrics"]

    async def ask(path: str, parameters: Mapping[str, str]) -> Mapping[str, Any]:
        return await company.get("metrics", path, **parameters)

    past = company.learned[company.rounds % len(company.learned)]
    for known_at in (None, past):
        books = await asyncio.to_thread(oracle.Books, events, known_at, zone=ZONE, pipelines=PIPELINES)
        for found in (await oracle.over_http(ask, books), await oracle.in_ledgers(connection, books, schema)):
            findings.comparisons += found.checked
            findings.wrong("another number than the oracle", found.wrong)


async def _digests_are(findings: Findings, company: Company, twin: Twin) -> None:
    """The digests of the states are those of a twin that nobody disturbed."""
    await twin.follow(company)
    undisturbed, own = await twin.digests(), await digests(company)
    findings.comparisons += len(own)
    findings.wrong("another digest than undisturbed", [name for name in own if own[name] != undisturbed[name]])


async def _lag_is_none(findings: Findings, company: Company) -> None:
    """Nobody is behind, by what the services themselves tell."""
    for service, path in (("pipeline", "/v1/pipelines"), ("metrics", "/v1/kpis"), ("forecast", "/v1/forecasts")):

        async def told(service: str = service, path: str = path) -> bool:
            return bool((await company.get(service, path))["events_behind"] == 0)

        try:
            await until(told, 20)
        except TimeoutError:
            findings.wrong("says that it is behind", [service])


async def _held_is_bounded(findings: Findings, company: Company, before: Mapping[str, Held]) -> None:
    """Nothing grows with every fault. What was given up may take its time to end."""
    grown: list[str] = []

    async def bounded() -> bool:
        grown[:] = _grown(before, await held(company))
        return not grown

    with suppress(TimeoutError):
        await until(bounded, BOUNDED_WITHIN)
    findings.wrong("holds more than before", grown)
    async with company.database() as connection:
        rows = await connection.fetch(
            """SELECT application_name AS name, count(*) AS connections FROM pg_stat_activity
               WHERE application_name LIKE 'quintant %' GROUP BY 1 HAVING count(*) > 40"""
        )
    findings.wrong("too many connections", [(row["name"], row["connections"]) for row in rows])


def _grown(before: Mapping[str, Held], after: Mapping[str, Held]) -> list[str]:
    return [
        f"{name} {what} {getattr(then, what)} → {getattr(after[name], what)}"
        for name, then in before.items()
        for what, allowed in ALLOWED.items()
        if name in after and getattr(after[name], what) - getattr(then, what) > allowed
    ]
