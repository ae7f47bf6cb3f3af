"""Serving an ASGI application: uvicorn without its signals, its logging and its habit of calling sys.exit."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

from shared.kernel.errors import UnavailableError
from shared.runtime.collecting import collect_seldom
from shared.runtime.shutdown import Shutdown
from shared.telemetry.logging import get_logger

GRACEFUL_SECONDS = 20
_BACKLOG = 2048
_KEPT_SECONDS = 75
"""Longer than a load balancer keeps an idle connection (60 s mostly): only who sends may know when one closes."""
_log = get_logger("quintant.runtime")


class _Server(uvicorn.Server):
    """Signals belong to the process, not to one of its servers."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve_api(app: ASGIApp, *, host: str, port: int, shutdown: Shutdown) -> None:
    """Serve until the shutdown is requested, then let open requests finish (20 s at most)."""
    collect_seldom()
    with listening(host, port, "QUINTANT_HTTP_PORT") as bound:
        await serve(app, bound, shutdown.requested)


async def serve(app: ASGIApp, bound: socket.socket, stop: asyncio.Event) -> None:
    """Serve on a bound socket until `stop`."""
    server = _Server(
        uvicorn.Config(
            app,
            http="httptools",
            ws="none",
            lifespan="on",
            access_log=False,
            log_config=None,
            proxy_headers=False,
            server_header=False,
            backlog=_BACKLOG,
            timeout_keep_alive=_KEPT_SECONDS,
            timeout_graceful_shutdown=GRACEFUL_SECONDS,
        )
    )

    async def stop_on_request() -> None:
        await stop.wait()
        server.should_exit = True

    watch = asyncio.create_task(stop_on_request())
    try:
        await server.serve([bound])
    except SystemExit as error:
        raise UnavailableError("the application did not start: the line before says why") from error
    finally:
        watch.cancel()


@contextlib.contextmanager
def listening(host: str, port: int, variable: str) -> Iterator[socket.socket]:
    """A bound socket. UnavailableError that names the variable to change when the address is taken or not ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio switches Nagle's algorithm off only for sockets that say TCP; with it, answers come 40 ms late.
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((host, port))
        except OSError as error:
            raise UnavailableError(
                f"cannot listen on {host}:{port} ({error.strerror}): free it or set {variable} to another port"
            ) from error
        bound.listen(_BACKLOG)  # callers wait from now on instead of being refused until the application has started
        bound.setblocking(False)  # noqa: FBT003 - takes no keyword
        _log.info("listening", host=host, port=bound.getsockname()[1])
        yield bound
