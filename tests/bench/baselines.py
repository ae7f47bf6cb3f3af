"""`python -m tests.bench.baselines shell|bare|consume|produce …`: what the same libraries do when they do nothing else.

Each is a process of its own under uvloop, as the services are. The last line of `consume` and `produce` is JSON.
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import fields
from itertools import islice
from pathlib import Path
from typing import Any

import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from starlette.types import ASGIApp, Receive, Scope, Send

from quintant.stack.ports import LOOPBACK
from shared.kernel.clock import SystemClock
from shared.messaging.producer import BATCH_BYTES
from shared.messaging.relay import StreamRelay
from shared.runtime.api import serve_api
from shared.runtime.shutdown import Shutdown

_BATCH = int(next(str(one.default) for one in fields(StreamRelay) if one.name == "batch"))
_ANSWER = b'{"source":"erp","id":"msg_000000000000","status":"accepted","token":"' + b"x" * 56 + b'"}'


def _application(status: int, answer: bytes) -> ASGIApp:
    """Reads the body of each request, answers the same bytes and does nothing."""
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            while True:
                kind = (await receive())["type"].rpartition(".")[2]
                await send({"type": f"lifespan.{kind}.complete"})
                if kind == "shutdown":
                    return
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    return application


async def shell(port: str) -> None:
    """202 with as many bytes as ingest answers."""
    await _serve(_application(202, _ANSWER), port)


async def bare(port: str, answer: str) -> None:
    """200 with the bytes of a file."""
    await _serve(_application(200, await asyncio.to_thread(Path(answer).read_bytes)), port)


async def _serve(application: ASGIApp, port: str) -> None:
    """Exactly as the services do, until SIGTERM."""
    shutdown = Shutdown(SystemClock())
    with shutdown.on_signals():
        await serve_api(application, host=LOOPBACK, port=int(port), shutdown=shutdown)
    shutdown.done()


async def consume(bootstrap: str, topic: str, partitions: str, expected: str) -> None:
    """`getmany(max_records=5000)` until all has come."""
    consumer = _consumer(bootstrap, 5000)
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, partition) for partition in range(int(partitions))])
        came, began, spent = 0, time.perf_counter(), time.process_time()
        while came < int(expected):
            came += sum(map(len, (await consumer.getmany(timeout_ms=200)).values()))
        _tell(came, time.perf_counter() - began, time.process_time() - spent)
    finally:
        await consumer.stop()


async def produce(bootstrap: str, source: str, target: str, partitions: str) -> None:
    """Send what `source` holds to `target` as the relay does: so many records a partition at once, then the next."""
    places = [TopicPartition(source, partition) for partition in range(int(partitions))]
    records = await _read(bootstrap, places)
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        acks="all",
        linger_ms=0,
        max_batch_size=BATCH_BYTES,
        max_request_size=BATCH_BYTES + 100_000,
    )
    await producer.start()
    try:
        await producer.partitions_for(target)
        rests = [iter(records[place]) for place in places]
        began, spent = time.perf_counter(), time.process_time()
        while shares := [(n, share) for n, rest in enumerate(rests) if (share := list(islice(rest, _BATCH)))]:
            await asyncio.gather(*(_send(producer, target, partition, share) for partition, share in shares))
        _tell(sum(map(len, records.values())), time.perf_counter() - began, time.process_time() - spent)
    finally:
        await producer.stop()


async def _send(producer: AIOKafkaProducer, topic: str, partition: int, records: Sequence[ConsumerRecord]) -> None:
    taken = 0
    while taken < len(records):
        batch = producer.create_batch()
        for one in islice(records, taken, None):
            if batch.append(timestamp=None, key=one.key, value=one.value, headers=list(one.headers)) is None:
                break
            taken += 1
        batch.close()
        await (await producer.send_batch(batch, topic, partition=partition))


async def _read(bootstrap: str, places: list[TopicPartition]) -> dict[TopicPartition, list[ConsumerRecord]]:
    consumer = _consumer(bootstrap, 5000)
    await consumer.start()
    try:
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        found: dict[TopicPartition, list[ConsumerRecord]] = {place: [] for place in places}
        while sum(map(len, found.values())) < sum(ends.values()):
            for place, records in (await consumer.getmany(timeout_ms=200)).items():
                found[place] += records
        return found
    finally:
        await consumer.stop()


def _consumer(bootstrap: str, most: int) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_poll_records=most,
        fetch_max_wait_ms=100,
        max_partition_fetch_bytes=4 * 1024 * 1024,
    )


def _tell(records: int, seconds: float, spent: float) -> None:
    told = {"records": records, "seconds": seconds, "spent": spent, "rate": records / seconds}
    sys.stdout.write(json.dumps(told) + "\n")


_ROLES: Mapping[str, Callable[..., Coroutine[Any, Any, None]]] = {
    "shell": shell,
    "bare": bare,
    "consume": consume,
    "produce": produce,
}


def main() -> None:
    role, *arguments = sys.argv[1:]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_ROLES[role](*arguments))


if __name__ == "__main__":
    main()
