"""A vendor's API, as a fake answers it, on a free port of this machine for as long as a test needs it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.routing import BaseRoute

from shared.runtime.api import listening, serve


@asynccontextmanager
async def serving(routes: Sequence[BaseRoute]) -> AsyncIterator[str]:
    """Its address. The server has ended when the block has, however that ended."""
    stop = asyncio.Event()
    with listening("127.0.0.1", 0, "") as bound:
        server = asyncio.create_task(serve(Starlette(routes=routes), bound, stop))
        try:
            yield f"http://127.0.0.1:{bound.getsockname()[1]}"
        finally:
            stop.set()
            await server
