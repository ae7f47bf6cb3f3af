"""A lost database ends the watch; when it is back the watch goes on by itself."""

import asyncio

from services.metrics.alert_job import AlertJob
from shared.storage.database import Deadlines, open_database
from tests.integration.metrics_read.books import ROLE, SCHEMAS, open_books
from tests.servers import Server

QUICK = Deadlines(connect=1, acquire=1, statement=180, close=1)


async def test_the_watch_goes_on_after_an_outage(postgres: Server) -> None:
    async with open_books(postgres.address):
        pass
    led: asyncio.Queue[None] = asyncio.Queue()
    async with open_database(
        postgres.address, role=ROLE, schemas=SCHEMAS, application="test", deadlines=QUICK
    ) as database:

        async def task() -> None:
            async with database.read() as reader:
                led.put_nowait(None)
                await reader.value("SELECT pg_sleep(120)")

        job = asyncio.create_task(AlertJob(database, [task]).run())
        async with asyncio.timeout(60):
            await led.get()
            await asyncio.to_thread(postgres.kill)
            await asyncio.to_thread(postgres.start)
            await led.get()
        job.cancel()
        await asyncio.gather(job, return_exceptions=True)
