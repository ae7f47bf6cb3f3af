"""Answers leave at once: with Nagle's algorithm, each would wait 40 ms for the caller's acknowledgement of its head."""

import asyncio
import socket

from shared.runtime.api import listening


async def test_accepted_connections_do_not_wait_for_acknowledgements() -> None:
    delays: asyncio.Queue[int] = asyncio.Queue()

    async def accepted(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        delays.put_nowait(writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    with listening("127.0.0.1", 0, "") as bound:
        async with await asyncio.start_server(accepted, sock=bound):
            _, writer = await asyncio.open_connection(*bound.getsockname())
            async with asyncio.timeout(10):
                assert await delays.get() != 0
            writer.close()
            await writer.wait_closed()
