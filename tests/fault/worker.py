"""`python -m tests.fault.worker`: the miniature service as a process, put together as a real worker is."""

import asyncio
import os

from shared.contracts.topics import topic_name
from shared.kernel.clock import SystemClock
from shared.messaging.failpoints import Failpoints
from shared.messaging.outbox_relay import OutboxRelay
from shared.messaging.progress import ProgressFollower
from shared.runtime.shutdown import Shutdown
from shared.runtime.worker import supervise
from shared.telemetry.logging import configure
from shared.telemetry.metrics import Metrics
from tests.integration.core.service import Settings, loop, open_schema, opener


async def main() -> None:
    prefix, bootstrap = os.environ["QUINTANT_TOPIC_PREFIX"], os.environ["KAFKA_BOOTSTRAP_SERVERS"]
    settings = Settings(
        bootstrap,
        topic_name("sales-events", prefix=prefix),
        f"{prefix}mini",
        prefix,
        instance=os.environ["QUINTANT_INSTANCE"],
        failpoint=os.environ["QUINTANT_FAILPOINT"],
        config={"batch": 10, "gap_timeout": 30.0, "silence": 5.0},
    )
    configure(service="pipeline", role="worker", level="info")
    shutdown = Shutdown(SystemClock())
    with shutdown.on_signals():
        async with open_schema(os.environ["DATABASE_URL"], os.environ["SCHEMA"]) as database:
            failpoints = Failpoints(settings.failpoint)
            outbox = OutboxRelay(bootstrap, "pipeline", prefix, 1, database, Metrics(), failpoints)
            progress = ProgressFollower(
                bootstrap, topic_name("sales-progress", prefix=prefix), 1, database, Metrics(), SystemClock()
            )
            applying = loop(settings, opener(settings, database))
            await supervise({"loop": applying.run, "outbox": outbox.run, "progress": progress.run}, shutdown)
    shutdown.done()


if __name__ == "__main__":
    asyncio.run(main())
