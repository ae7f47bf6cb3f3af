"""A twin of a company on servers that nobody disturbs: what its services make of the same inbox is what is right."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.fault.company import Company, of_processes, until

_ROLES = ("pipeline-worker", "metrics-worker", "pipeline-api", "metrics-api")
_RELAY = "ingest-worker"


@dataclass(slots=True)
class Twin:
    """Gets the inbox of the other as it stands, by copying rows; its own relay, workers and APIs do the rest."""

    company: Company
    seq: int = 0

    async def follow(self, other: Company) -> None:
        """Take over what the other's inbox accepted since the last time, and wait until all of it is applied."""
        async with other.database() as source, self.company.database() as own:
            events = await source.fetch("SELECT * FROM ingest.event WHERE seq > $1 ORDER BY seq", self.seq)
            stream = await source.fetch("SELECT * FROM ingest.stream WHERE seq > $1", self.seq)
            heads = await source.fetch("SELECT * FROM ingest.head")
            async with own.transaction():
                for table, rows in (("event", events), ("stream", stream)):
                    if rows:
                        await own.copy_records_to_table(
                            table,
                            schema_name="ingest",
                            records=[tuple(row) for row in rows],
                            columns=list(rows[0].keys()),
                        )
                await own.execute("DELETE FROM ingest.head")
                await own.copy_records_to_table("head", schema_name="ingest", records=[tuple(row) for row in heads])
        self.seq = max((row["seq"] for row in events), default=self.seq)
        if not self.company.running.running(_RELAY):
            await self.company.start(_RELAY)

        async def applied() -> bool:
            return not await behind(self.company, ("pipeline", "metrics"))

        await until(applied, 120, what="the twin has applied all")

    async def digests(self) -> dict[str, str]:
        return await digests(self.company)


async def digests(company: Company) -> dict[str, str]:
    """The digests of all states, by service."""
    return {service: (await company.get(service, "/v1/digest"))["sha256"] for service in ("pipeline", "metrics")}


async def behind(company: Company, services: Sequence[str]) -> list[tuple[str, int, int, int]]:
    """Which of these services do not stand where the inbox does: partition, its last number, the last one applied."""
    found = []
    async with company.database() as connection:
        schemas = await company.schemas(connection)
        for name in services:
            rows = await connection.fetch(
                f"""SELECT head.partition, head.number AS head, position.number AS applied
                    FROM ingest.head LEFT JOIN {schemas[name]}.position USING (partition)
                    WHERE head.number > 0 AND head.number IS DISTINCT FROM position.number"""  # noqa: S608 - own names
            )
            found += [(name, *row) for row in rows]
    return found


@asynccontextmanager
async def twin_of(directory: Path, database_url: str, bootstrap: str, **settings: str) -> AsyncIterator[Twin]:
    """A twin with an empty inbox, its relay not started."""
    async with of_processes(directory, database_url, bootstrap, **settings) as company:
        await company.start(*_ROLES)
        yield Twin(company)
