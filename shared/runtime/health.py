"""The health port of a worker: the same /livez, /readyz and /metrics as an api, without any other routes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from shared.http.app import Surroundings, create_app
from shared.runtime.api import listening, serve


@asynccontextmanager
async def health_port(surroundings: Surroundings, *, version: str, host: str, port: int) -> AsyncIterator[int]:
    """Serve while the block runs, the drain included; gives the port."""
    app = create_app(surroundings, title=f"{surroundings.service} worker", version=version, role="worker")
    stop = asyncio.Event()
    with listening(host, port, "QUINTANT_HEALTH_PORT") as bound:
        number: int = bound.getsockname()[1]
        task = asyncio.create_task(serve(app, bound, stop))
        try:
            yield number
        finally:
            stop.set()
            await task
