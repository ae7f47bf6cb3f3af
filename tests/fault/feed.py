"""Sources that tell a company its story in disorder and again and again, and remember what they were answered."""

import asyncio
import base64
import hmac
import json
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from shared.kernel.clock import SystemClock
from tests.fault.company import Company
from tests.oracle.invented import Invented

BATCH = {"content-type": "application/cloudevents-batch+json"}
SENDERS = 4
REFERENCES = 16
"""Reference events of a chapter: each of them folds much anew."""
_MOST = 1_000
"""Events that one batch may hold."""
_DEADLINE = 120.0
_SHARED = ("organisation-unit", "member", "customer", "product", "exchange-rate", "stage-map", "alias")

DOCUMENTS = ("order", "shipment", "return", "invoice", "credit-note", "payment")
HOOK, HOOK_SECRET = "shop", b"a secret of tests only"
UNHEARD_OF = "unheard-of"
"""A pipeline without a stage map: its deals wait in the quarantine for a person."""

Event = dict[str, Any]
Identity = tuple[str, str]


def chapter(seed: int, tag: str, size: int, *, first: bool = False) -> list[Event]:
    """New events: documents and deals under ids of their own, and changes of reference data that all share.

    The first chapter has every stage map: no deal has to wait for one that never comes.
    """
    draw = random.Random(seed)  # noqa: S311 - repeatable
    said = [event for event in Invented(seed).said if event["data"].get("pipeline_id") != UNHEARD_OF]
    draw.shuffle(said)
    shared = sorted((event for event in said if _entity(event) in _SHARED), key=lambda e: _entity(e) != "stage-map")
    own = [event for event in said if _entity(event) not in _SHARED]
    some = shared[: 4 * REFERENCES] if first else draw.sample(shared, REFERENCES)
    return [_renamed(event, tag) for event in (*some, *own[:size])]


def _entity(event: Event) -> str:
    return str(event["type"]).removeprefix("io.quintant.").partition(".")[0]


def _renamed(event: Event, tag: str) -> Event:
    renamed = {**event, "id": f"{tag}-{event['id']}"}
    if _entity(event) not in _SHARED:
        renamed["data"] = {**event["data"], "id": f"{tag}-{event['data']['id']}"}
    return renamed


@dataclass(slots=True)
class Told:
    """One event as it was sent, and every answer to it."""

    event: Event
    persistent: bool = True
    """Sent again until it is answered for good."""
    hook: bool = False
    """Delivered as a signed webhook of the source HOOK instead of as a CloudEvent."""
    answers: Counter[str] = field(default_factory=Counter)

    @property
    def acknowledged(self) -> bool:
        return bool(self.answers["accepted"] + self.answers["duplicate"])

    @property
    def held(self) -> bool:
        """Taken, and set aside until what it names is known."""
        return not self.acknowledged and bool(self.answers["quarantined"])

    @property
    def refused(self) -> bool:
        return not self.acknowledged and not self.held and bool(self.answers["rejected"])


@dataclass(slots=True)
class Feed:
    """Tells one chapter. `seconds` is how long it takes at least, so that a fault falls into it."""

    company: Company
    draw: random.Random
    story: Sequence[Event]
    seconds: float
    hooks: float = 0.0
    """Share of the documents that come as webhooks."""
    told: list[Told] = field(default_factory=list)
    sent: int = 0
    strange: list[str] = field(default_factory=list)
    """Answers that are none of those that are promised."""
    _left: list[Told] = field(default_factory=list)

    async def run(self) -> None:
        """Send everything until each persistent event has an answer."""
        self._left = self._deliveries()
        pause = self.seconds * SENDERS * 20 / max(1, len(self._left))
        async with (
            asyncio.timeout(self.seconds + _DEADLINE),
            httpx.AsyncClient(headers=self.company.http.headers, timeout=20, trust_env=False) as http,
        ):
            await asyncio.gather(*(self._sender(http, pause) for _ in range(SENDERS)))

    async def tell(self, events: Sequence[Event]) -> None:
        """Send these beside the story, as few batches as may be, until they are answered."""
        told = [Told(event) for event in events]
        self.told += told
        async with asyncio.timeout(_DEADLINE):
            for begin in range(0, len(told), _MOST):
                batch = told[begin : begin + _MOST]
                while not await self._send(self.company.http, batch):  # noqa: ASYNC110 - until the service is back
                    await asyncio.sleep(0.2)

    def tell_all_again(self) -> None:
        """Whatever was answered so far may be lost: the sources say all of it once more."""
        for told in self.told:
            told.answers.clear()
            told.persistent = True
        self._left = [*self._left, *self.told]

    def _deliveries(self) -> list[Told]:
        """Each event one to twenty times, shuffled; some that must be refused among them."""
        deliveries = []
        for event in self.story:
            told = Told(event, persistent=self.draw.random() < 0.9)
            if _entity(event) in DOCUMENTS and self.draw.random() < self.hooks:
                told.hook, told.event = True, {**event, "source": f"/sources/{HOOK}"}
            self.told.append(told)
            deliveries += [told] * (self.draw.randrange(2, 21) if self.draw.random() < 0.15 else 1)
        for bad in _refused(self.story, self.draw):
            told = Told(bad)
            self.told.append(told)
            deliveries.append(told)
        self.draw.shuffle(deliveries)
        return deliveries

    async def _sender(self, http: httpx.AsyncClient, pause: float) -> None:
        while self._left:
            size = self.draw.randrange(1, 40)
            batch, self._left = self._left[-size:], self._left[:-size]
            if not await self._send(http, batch):
                self._left[:0] = [told for told in batch if told.persistent]
                await asyncio.sleep(0.2)
            await asyncio.sleep(pause * self.draw.random() * len(batch) / 20)

    async def _send(self, http: httpx.AsyncClient, batch: Sequence[Told]) -> bool:
        """Whether each of them was answered."""
        for told in [told for told in batch if told.hook]:
            if not await self._deliver(http, told):
                return False
        direct = [told for told in batch if not told.hook]
        return not direct or await self._post(http, direct)

    async def _deliver(self, http: httpx.AsyncClient, told: Told) -> bool:
        """By Standard Webhooks, signed anew each time."""
        said = {"type": told.event["type"], "timestamp": told.event["time"], "data": told.event["data"]}
        body, stamp = json.dumps(said), str(int(SystemClock().now().timestamp()))
        signed = hmac.digest(HOOK_SECRET, f"{told.event['id']}.{stamp}.{body}".encode(), "sha256")
        headers = {"webhook-id": told.event["id"], "webhook-timestamp": stamp}
        headers |= {"webhook-signature": f"v1,{base64.b64encode(signed).decode()}", "content-type": "application/json"}
        self.sent += 1
        try:
            answer = await http.post(
                f"{self.company.running.urls['ingest']}/v1/webhooks/{HOOK}", content=body, headers=headers
            )
        except httpx.TransportError:
            told.answers["uncertain"] += 1
            return False
        if answer.status_code not in (200, 202, 503):
            self.strange.append(f"{answer.status_code}: {answer.text}")
        told.answers["accepted" if answer.is_success else "uncertain"] += 1
        return answer.is_success

    async def _post(self, http: httpx.AsyncClient, batch: Sequence[Told]) -> bool:
        url = self.company.running.urls["ingest"] + "/v1/events"
        body = json.dumps([told.event for told in batch])
        self.sent += len(batch)
        try:
            answer = await http.post(url, content=body, headers=BATCH)
        except httpx.TransportError:
            self._note(batch, "uncertain")
            return False
        if answer.status_code in (200, 202, 422) and "items" in (said := answer.json()):
            for told, item in zip(batch, said["items"], strict=True):
                told.answers[item["status"]] += 1
            return True
        if answer.status_code != 503:
            self.strange.append(f"{answer.status_code}: {answer.text}")
        self._note(batch, "uncertain")
        return False

    @staticmethod
    def _note(batch: Sequence[Told], answer: str) -> None:
        for told in batch:
            told.answers[answer] += 1


def _refused(story: Sequence[Event], draw: random.Random) -> Iterator[Event]:
    """What no contract allows, each under an identity of its own."""
    for number, event in enumerate(draw.sample(list(story), min(6, len(story)))):
        wrong: Event = {**event, "id": f"{event['id']}-wrong-{number}"}
        match number % 3:
            case 0:
                wrong["time"] = "2026-03-01T10:00:00"
            case 1:
                wrong["data"] = {**event["data"], "no_such_field": "x"}
            case _:
                wrong["type"] = "io.quintant.deal.changed.v1"
                wrong["data"] = {"id": "D-wrong", "amount": {"amount": "1e3000", "currency": "???"}}
        yield wrong
