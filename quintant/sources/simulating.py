"""Sends made-up signed traffic to one's own instance, as a source would: repeated and out of order if asked."""

import base64
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from urllib.parse import quote

import msgspec
from rich.table import Table

from quintant.client import Client
from quintant.sources.cards import Source, source
from quintant.stack.report import Report

_UNAUTHORIZED = 401


class Signed(msgspec.Struct, frozen=True):
    """One request as the source would send it."""

    body_base64: str
    headers: dict[str, str]
    method: str = "POST"
    path_key: str = ""

    def __repr__(self) -> str:
        return "Signed(…)"


@dataclass(frozen=True, slots=True)
class Story:
    """What is told: the same seed and number of things tell the same."""

    things: int
    seed: int = 1
    end: bool = False
    """Take the things away again instead."""


@dataclass(slots=True)
class Sent:
    """What became of the requests."""

    planned: int
    before: Source
    after: Source
    answers: Counter[int] = field(default_factory=Counter)

    @property
    def well(self) -> bool:
        """Whether each got an answer that tells a source not to repeat it."""
        return all(200 <= status < 300 for status in self.answers)


def arranged(requests: Sequence[Signed], *, duplicates: int, reorder: bool, seed: int) -> list[Signed]:
    """With so many in a hundred sent twice (the second time somewhere later), and in any order if asked."""
    random = Random(seed)  # noqa: S311 - an order, no secret
    order = [(float(place), one) for place, one in enumerate(requests)]
    order += [
        (random.uniform(place, len(requests)), one)
        for place, one in enumerate(requests)
        if random.uniform(0, 100) < duplicates
    ]
    if reorder:
        random.shuffle(order)
    else:
        order.sort(key=lambda placed: placed[0])
    return [one for _, one in order]


def requests_of(client: Client, name: str, story: Story) -> list[Signed]:
    """The story as this source would tell it, signed with its own secret."""
    answer = client.simulation(name, {"seed": story.seed, "things": story.things, "end": story.end})
    return msgspec.convert(answer["requests"], list[Signed])


def send(client: Client, name: str, requests: Sequence[Signed], report: Report, title: str) -> Sent:
    """Send them one after the other. Interrupted, it says what was sent until then."""
    before = source(client, name)
    sent = Sent(len(requests), before, before)
    with report.step(title) as advance:
        try:
            for count, one in enumerate(requests, 1):
                path = f"{name}/{quote(one.path_key, safe='')}" if one.path_key else name
                body = base64.b64decode(one.body_base64)
                sent.answers[client.deliver(path, one.method, one.headers, body)] += 1
                advance(count, len(requests))
        except KeyboardInterrupt:
            report.note(f"interrupted after {sent.answers.total()} of {len(requests)} requests")
    sent.after = source(client, name)
    return sent


def summary(sent: Sent) -> Table:
    """How the requests were answered, and what ingest made of them."""
    title = f"{sent.answers.total():,} of {sent.planned:,} requests sent"
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column("")
    table.add_column("", justify="right")
    for status, count in sorted(sent.answers.items()):
        table.add_row(f"answered {status}{' (not genuine)' if status == _UNAUTHORIZED else ''}", f"{count:,}")
    table.add_section()
    for title, name in (
        ("events accepted", "accepted"),
        ("known before", "duplicate"),
        ("in quarantine", "quarantined"),
        ("rejected", "rejected"),
    ):
        table.add_row(title, f"{getattr(sent.after, name) - getattr(sent.before, name):,}")
    if sent.after.backlog:
        table.add_row("objects that wait to be read", f"{sent.after.backlog.waiting:,}")
    return table
