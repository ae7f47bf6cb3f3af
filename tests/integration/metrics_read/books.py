"""Real tables in a real PostgreSQL, and journals folded into them as the worker would, without a broker."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from services.metrics.domain.ledgers import LEDGERS
from services.metrics.handlers import fold
from shared.kernel.journal import Assertion, Journal, Stamp, Value
from shared.kernel.period import Calendar
from shared.sales.company import Company, Pipelines
from shared.sales.references import Key, References
from shared.storage.database import Database, Writer, open_database
from shared.storage.folds import Addition, append_postings, save_entities, save_references
from shared.storage.migrate import migrate

ROLE = "quintant_metrics"
SCHEMAS = ("metrics", "metrics_permanent")
MIGRATIONS = Path("services/metrics/migrations")

COMPANY = Company(
    calendar=Calendar(ZoneInfo("Asia/Shanghai"), fiscal_year_start_month=1),
    base_currency="USD",
    pipelines=Pipelines(),
    constant_rate_on=date(2026, 1, 1),
)


@asynccontextmanager
async def open_books(url: str) -> AsyncIterator[Database]:
    """The service's migrated database."""
    await migrate(url, role=ROLE, schema=SCHEMAS[0], permanent=SCHEMAS[1], scripts=MIGRATIONS)
    async with open_database(url, role=ROLE, schemas=SCHEMAS, application="test") as database:
        yield database


async def set_position(
    writer: Writer, number: int, *, partition: int = 0, at: datetime, first_known: date | None,
    reconstructed_until: date | None = None,
) -> None:  # fmt: skip
    """As if everything up to `number` had been applied."""
    await writer.execute(
        """INSERT INTO position (partition, generation, epoch, number, turn, applied, duplicates, dead_letters,
                                 first_known, reconstructed_until, applied_at)
           VALUES ($1, 1, 1, $2, 0, $2, 0, 0, $3, $4, $5)
           ON CONFLICT (partition) DO UPDATE SET number = excluded.number, applied_at = excluded.applied_at""",
        partition,
        number,
        first_known,
        reconstructed_until,
        at,
    )


def said(
    event: str, day: date, fields: Mapping[str, Value], *, known: date | None = None, source: str = "/test"
) -> Assertion:
    """One assertion at noon of a day in Shanghai, known on that day unless said otherwise."""
    at = datetime(day.year, day.month, day.day, 4, tzinfo=UTC)
    return Assertion(Stamp(at, 0, source, event), known or day, fields)


async def fold_all(
    database: Database, journals: Mapping[Key, Journal], references: Mapping[Key, Journal], *, at: datetime,
    company: Company = COMPANY, partitions: int = 2,
) -> None:  # fmt: skip
    """Fold every journal and append what it posts, spread over partitions."""
    known = References(references)
    shares: list[list[Addition]] = [[] for _ in range(partitions)]
    for place, (key, journal) in enumerate(sorted(journals.items())):
        folded = fold(company, key, journal, known)
        shares[place % partitions].append(Addition(key, journal, folded.owed, folded.asked))
    learned = [one.known_on for journal in journals.values() for one in journal]
    async with database.write() as writer:
        for partition, share in enumerate(shares):
            await _append(writer, partition, share)
            await save_references(writer, partition, references)
            await set_position(
                writer, len(share), partition=partition, at=at, first_known=min(learned),
                reconstructed_until=max(learned),
            )  # fmt: skip


async def _append(writer: Writer, partition: int, share: Sequence[Addition]) -> None:
    for number, entity in enumerate(share, 1):
        await append_postings(writer, partition, number, [(entity.key, entity.posted)], LEDGERS)
    await save_entities(writer, partition, len(share), share)
