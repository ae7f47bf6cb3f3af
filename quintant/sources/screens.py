"""How sources are shown: all in a table, one in detail."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from quintant.sources.cards import Card, Source

_SOON_DAYS = 3
_DAYS_SHOWN = 14


def cards_table(cards: Sequence[Card]) -> Table:
    """What can be connected."""
    table = Table("adapter", "source", "how it signs", "can be tried out")
    for card in cards:
        table.add_row(card.name, escape(card.title), escape(card.authentication), "yes" if card.simulates else "")
    return table


def sources_table(sources: Sequence[Source], now: datetime) -> Table:
    """Every source, narrow enough for a small terminal: what belongs together stands in one cell."""
    caption = "times are UTC; refused: not genuine, in seven days"
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, caption=caption, caption_justify="left")
    table.add_column("source\n[dim]adapter[/]", overflow="fold", min_width=12)
    table.add_column("last event\n[dim]last hour[/]", no_wrap=True)
    table.add_column("accepted", justify="right", no_wrap=True)
    table.add_column("not taken", min_width=16)
    table.add_column("complete", justify="right", no_wrap=True)
    table.add_column("age of secret\n[dim]subscription[/]")
    for one in sources:
        name = escape(one.name or one.source)
        table.add_row(
            f"{f'[red]{name}[/]' if one.problem else name}\n[dim]{escape(one.adapter or 'not configured')}[/]",
            f"{moment(one.last_accepted_at, now)}\n[dim]{one.deliveries_last_hour:,}[/]",
            f"{one.accepted:,}",
            "\n".join(_not_taken(one)),
            percent(one.completeness),
            "\n".join([*(f"{secret.age_days} d" for secret in one.secrets), *_expiry(one, now)]),
        )
    return table


def problems(sources: Sequence[Source]) -> list[str]:
    """What a person must look at, a line each."""
    lines = []
    for one in sources:
        name = one.name or one.source
        subscription = one.subscription.detail if one.subscription else None
        backlog = one.backlog.detail if one.backlog else None
        polls = [poll.detail for poll in one.polls]
        lines += [f"{name}: {said}" for said in dict.fromkeys([one.problem, subscription, backlog, *polls]) if said]
    return lines


def moment(at: datetime | None, now: datetime) -> str:
    """The time of day if that is today, else the day."""
    if at is None:
        return "never"
    return f"{at:%H:%M:%S}" if at.date() == now.date() else f"{at:%Y-%m-%d}"


def percent(ratio: str | None) -> str:
    """A share as people read it. One that is nearly whole is not shown as whole."""
    if ratio is None:
        return ""
    share = Decimal(ratio) * 100
    text = f"{share:.1f}"
    return f"{'>99.9' if text == '100.0' and share < 100 else text} %"


def _not_taken(one: Source) -> Iterator[str]:
    for reason, count in one.refused.items():
        yield f"{count:,} refused: {escape(reason)}"
    for count, what in (
        (one.rejected, "rejected"),
        (one.quarantined, "in quarantine"),
        (one.backlog.waiting if one.backlog else 0, "to be read"),
    ):
        if count:
            yield f"{count:,} {what}"


def _expiry(one: Source, now: datetime) -> Iterator[str]:
    if one.subscription is None:
        return
    at = one.subscription.expires_at
    if at is None:
        yield "[dim]never expires[/]"
    elif at <= now:
        yield f"[red]expired {at:%Y-%m-%d}[/]"
    else:
        style = "yellow" if (at - now).days < _SOON_DAYS else "dim"
        yield f"[{style}]until {moment(at, now)}[/]"


def show_source(console: Console, one: Source, now: datetime) -> None:
    """Everything about one source but its steps."""
    console.print(sources_table([one], now))
    for line in problems([one]):
        console.print(f"[red]![/] {escape(line)}", highlight=False)
    if one.coverage:
        console.print(_coverage_table(one))
    if one.polls:
        console.print(_polls_table(one))
    if one.backlog and one.backlog.oldest_at:
        console.print(f"The oldest object to be read waits since {one.backlog.oldest_at:%Y-%m-%d %H:%M:%S}.")


def _coverage_table(one: Source) -> Table:
    table = Table(title="By day: did its webhooks tell of everything?", title_justify="left")
    table.add_column("day")
    for heading in ("delivered", "found by polling", "of it not delivered", "complete"):
        table.add_column(heading, justify="right")
    for day in one.coverage[:_DAYS_SHOWN]:
        counts = (f"{count:,}" for count in (day.delivered, day.polled, day.reconciled))
        table.add_row(day.day.isoformat(), *counts, percent(day.completeness))
    return table


def _polls_table(one: Source) -> Table:
    table = Table("objects", "polled through", "last poll", "trouble", title="Polling", title_justify="left")
    for poll in one.polls:
        through = f"{poll.through:%Y-%m-%d %H:%M:%S}" if poll.through else "nothing yet"
        last = f"{poll.polled_at:%Y-%m-%d %H:%M:%S}" if poll.polled_at else "never"
        table.add_row(escape(poll.kind), through, last, escape(poll.detail or ""))
    return table
