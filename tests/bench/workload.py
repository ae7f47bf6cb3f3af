"""What the benchmarks tell: signed webhooks, batches, and streams of deals and orders as ingest would number them."""

import os
import random
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from services.ingest.domain.partitions import partition_of
from shared.contracts.entities import event_type
from shared.contracts.envelope import BATCH
from shared.contracts.records import StreamRecord
from shared.contracts.values import write_instant
from shared.http.standard_webhooks import secret_bytes, signed_headers
from shared.kernel.clock import SystemClock
from shared.messaging.producer import Outgoing, open_producer
from shared.sales.company import DEFAULT_STAGES
from tests.bench.ground import PARTITIONS, SECRET, SOURCE
from tests.bench.load import request

STEPS = 5
"""Events of one deal: three open stages, a new value, an end."""
_BEGIN, _SPAN = datetime(2026, 1, 5, 8, tzinfo=UTC), timedelta(days=float(os.environ.get("BENCH_DAYS", "90")))
"""Over how many days a stream was learned: a life is read once for each day on which something was learned of it."""
_CUSTOMERS, _MEMBERS, _PRODUCTS = 2_000, 60, 300
_TOLD_AT_ONCE = 2_000

_encode = msgspec.json.Encoder(order="sorted").encode
_KEY = secret_bytes(SECRET)


def webhooks(count: int, label: str) -> list[bytes]:
    """Requests that nobody has sent before: each tells of a new deal, signed now."""
    now = SystemClock().now()
    said = write_instant(now - timedelta(minutes=1))
    found = []
    for index in range(count):
        data = deal(f"{label}-{index}", index, 0)
        body = _encode({"type": event_type("deal"), "timestamp": said, "data": data})
        headers = signed_headers([_KEY], f"msg_{label}_{index}", now, body)
        path = f"/v1/webhooks/{SOURCE}"
        found.append(request("POST", path, {"content-type": "application/json", **headers}, body))
    return found


def batches(count: int, size: int, label: str, key: str) -> list[bytes]:
    """Requests of `size` CloudEvents, each of a new deal."""
    said = write_instant(SystemClock().now() - timedelta(minutes=1))
    headers = {"content-type": BATCH, "authorization": f"Bearer {key}"}
    found = []
    for number in range(count):
        events = [
            {
                "specversion": "1.0",
                "type": event_type("deal"),
                "source": "/bench",
                "id": f"{label}-{number}-{index}",
                "time": said,
                "datacontenttype": "application/json",
                "data": deal(f"{label}-{number}-{index}", index, 0),
            }
            for index in range(size)
        ]
        found.append(request("POST", "/v1/events", headers, _encode(events)))
    return found


def deal(subject: str, index: int, step: int) -> Mapping[str, Any]:
    """What one event of a deal says."""
    if step == 0:
        return {
            "id": subject,
            "title": f"Deal number {index}",
            "stage": DEFAULT_STAGES[0],
            "amount": {"amount": f"{1000 + index % 9000}.50", "currency": "USD"},
            "customer_id": f"customer-{index % _CUSTOMERS}",
            "owner_id": f"member-{index % _MEMBERS}",
            "expected_close_on": "2026-06-30",
        }
    if step == 3:
        return {"id": subject, "amount": {"amount": f"{900 + index % 9000}.00", "currency": "USD"}}
    if step == STEPS - 1:
        return {"id": subject, "stage": "won" if index % 3 == 0 else "lost"}
    return {"id": subject, "stage": DEFAULT_STAGES[step]}


def order(subject: str, index: int) -> Mapping[str, Any]:
    """An order of three lines."""
    lines = {
        str(line + 1): {
            "product_id": f"product-{(index * 7 + line) % _PRODUCTS}",
            "quantity": str(1 + (index + line) % 9),
            "unit_price": {"amount": f"{10 + line}.95", "currency": "USD"},
        }
        for line in range(3)
    }
    return {
        "id": subject,
        "status": "confirmed",
        "customer_id": f"customer-{index % _CUSTOMERS}",
        "owner_id": f"member-{index % _MEMBERS}",
        "lines": lines,
    }


def deal_stream(deals: int, cohort: int = 0) -> Iterator[tuple[int, StreamRecord]]:
    """Every deal has five events, scattered evenly over the stream: a batch seldom meets a deal twice.

    A later cohort is as many other deals, told after all former ones.
    """
    turns = [index for index in range(deals) for _ in range(STEPS)]
    random.Random(7).shuffle(turns)  # noqa: S311 - an order of events, no secret
    steps = [0] * deals

    def said() -> Iterator[tuple[str, Mapping[str, Any]]]:
        for turn in turns:
            index = cohort * deals + turn
            yield f"d{index}-{steps[turn]}", deal(f"deal-{index}", index, steps[turn])
            steps[turn] += 1

    return _numbered("deal", said(), len(turns), _BEGIN + cohort * _SPAN, _told_before(deals, cohort))


def _told_before(deals: int, cohort: int) -> list[int]:
    """The last number of each partition before a cohort."""
    numbers = [0] * PARTITIONS
    for index in range(cohort * deals):
        numbers[partition_of("deal", f"deal-{index}", PARTITIONS)] += STEPS
    return numbers


def order_stream(orders: int) -> Iterator[tuple[int, StreamRecord]]:
    """One event for each order."""
    said = ((f"o{index}", order(f"order-{index}", index)) for index in range(orders))
    return _numbered("order", said, orders, _BEGIN, [0] * PARTITIONS)


def _numbered(
    entity: str, said: Iterator[tuple[str, Mapping[str, Any]]], count: int, begin: datetime, numbers: list[int]
) -> Iterator[tuple[int, StreamRecord]]:
    """Partition and record, accepted as they happened, over the span; `numbers` are the last ones before."""
    for index, (identity, data) in enumerate(said):
        at = begin + _SPAN * index / count
        partition = partition_of(entity, data["id"], PARTITIONS)
        numbers[partition] += 1
        yield (
            partition,
            StreamRecord(
                entity=entity,
                source="/bench",
                id=identity,
                subject=data["id"],
                time=at,
                sequence=0,
                data=_encode(data),
                epoch=1,
                number=numbers[partition],
                known_on=at.date(),
                accepted_at=at,
                recorded_on=at.date(),
            ),
        )


async def publish(bootstrap: str, topic: str, stream: Iterator[tuple[int, StreamRecord]]) -> int:
    """Put a stream on a topic; how many events it has."""
    shares: list[list[Outgoing]] = [[] for _ in range(PARTITIONS)]
    count = 0
    async with open_producer(bootstrap) as producer:
        for partition, record in stream:
            count += 1
            shares[partition].append(Outgoing(*record.encode()))
            if len(shares[partition]) == _TOLD_AT_ONCE:
                await producer.send(topic, partition, shares[partition])
                shares[partition] = []
        for partition, share in enumerate(shares):
            await producer.send(topic, partition, share)
    return count
