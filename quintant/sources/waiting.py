"""Waits until ingest has taken up a source, and for what it hears from it."""

import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from rich.markup import escape

from quintant.client import Client
from quintant.sources.cards import Source, source, sources
from quintant.stack.errors import StackError
from quintant.terminal import console

_POLL_SECONDS = 1.0
_TAKEN_UP_SECONDS = 20


def until_taken_up(client: Client, name: str, path: Path) -> Source:
    """Return once ingest has read the entry from its file."""
    deadline = time.monotonic() + _TAKEN_UP_SECONDS
    while time.monotonic() < deadline:
        found = next((one for one in sources(client).items if one.name == name), None)
        if found and found.problem:
            raise StackError(f"{name} was written to {path}, but ingest cannot use it: {found.problem}")
        if found:
            return found
        time.sleep(_POLL_SECONDS / 4)
    raise StackError(
        f"{name} was written to {path}, but ingest does not see it",
        advice="Ingest reads the file that its own QUINTANT_INGEST_SOURCES_FILE names. If this is the local stack, "
        "`quintant up` tells it; else say the same variable to this command.",
    )


def until_heard(client: Client, name: str) -> None:
    """Return when the first event is in. Ctrl-C leaves; the source stays connected."""
    what = "waiting for the first event of the source; Ctrl-C leaves, nothing is lost by that"
    try:
        before = source(client, name)
        if not console.is_terminal:
            console.print(what)
        with console.status(what):
            for now in _changes(client, name, before):
                for line in news(before, now):
                    console.print(line, highlight=False)
                if now.heard > before.heard:
                    return
                before = now
    except KeyboardInterrupt:
        console.print(f"[yellow]Not waiting any more.[/] `quintant source show {name}` tells whether it came.")


def _changes(client: Client, name: str, before: Source) -> Iterator[Source]:
    while True:
        now = source(client, name)
        if _heard_of(now) != _heard_of(before):
            yield now
            before = now
        time.sleep(_POLL_SECONDS)


def _heard_of(one: Source) -> tuple[object, ...]:
    return one.heard, one.refused, one.last_delivery_at, one.backlog.waiting if one.backlog else 0, one.problem


def news(before: Source, now: Source) -> Iterator[str]:
    """What happened between two looks, in words."""
    if now.problem and now.problem != before.problem:
        yield f"[red]✗[/] {escape(now.problem)}"
    for reason, count in now.refused.items():
        if count > before.refused.get(reason, 0):
            yield f"[red]✗[/] a delivery was refused ({escape(reason)}): {_CAUSES.get(reason, 'see its page')}"
    if now.heard > before.heard:
        yield from outcomes(before, now)
        if now.last_occurred_at and now.last_accepted_at:
            yield f"  happened {_shown(now.last_occurred_at)}, accepted {_shown(now.last_accepted_at)}"
    elif now.last_delivery_at != before.last_delivery_at:
        waiting = now.backlog.waiting if now.backlog else 0
        beside = f"; {waiting} objects wait to be read from its API" if waiting else ""
        yield f"[green]✓[/] a genuine delivery came in{beside}"


def outcomes(before: Source, now: Source) -> Iterator[str]:
    """What became of the events between two looks."""
    for count, what in (
        (now.accepted - before.accepted, "accepted"),
        (now.duplicate - before.duplicate, "known before"),
        (now.quarantined - before.quarantined, "set aside; GET /v1/quarantine of ingest says why"),
        (now.rejected - before.rejected, "rejected"),
    ):
        if count > 0:
            yield f"[green]✓[/] {count:,} {'event' if count == 1 else 'events'} {what}"


def _shown(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


_CAUSES = {
    "signature": "the secret there and here differ, or something on the way changes the bytes",
    "missing-header": "it came unsigned: look at the webhook's settings there, or at a proxy that drops headers",
    "malformed": "its signature header is none of this kind of source",
    "version": "it is signed by another version of the scheme than the adapter takes",
    "timestamp": "its time is too old or in the future: look at the clocks, or at what held it back",
}
