"""Which TCP ports to listen on: the usual one if it is free, else another."""

import secrets
import socket
import time
from collections.abc import Collection

LOOPBACK = "127.0.0.1"
_STEP = 100
_TRIES = 50
# Below the range from which systems take the ports of outgoing connections: a client that keeps calling a stopped
# server on a port of that range sooner or later connects to itself, and the server cannot come back.
_FIRST, _LAST = 20_000, 31_999


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether a server could listen there now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def wait_until_free(port: int, seconds: float) -> None:
    """A killed server's port is let go a moment after the process is gone: its other threads end later."""
    deadline = time.monotonic() + seconds
    while not is_free(port) and time.monotonic() < deadline:
        time.sleep(0.02)


def choose(preferred: int, taken: Collection[int] = ()) -> int:
    """`preferred`, or the next free one a hundred further, two hundred further, …"""
    for port in range(preferred, min(preferred + _STEP * _TRIES, 65_536), _STEP):
        if port not in taken and is_free(port):
            return port
    return any_free(taken)


def any_free(taken: Collection[int] = ()) -> int:
    """Some free port that the system does not use for outgoing connections."""
    for _ in range(_LAST - _FIRST):
        port = _FIRST + secrets.randbelow(_LAST - _FIRST)
        if port not in taken and is_free(port):
            return port
    raise OSError("no free port between 20000 and 31999")
