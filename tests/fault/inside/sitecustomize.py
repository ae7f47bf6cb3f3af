"""Python imports this at the start of a process that has this folder on its path: it lets a fault test look inside.

A socket `<QUINTANT_FAULT_INSIDE>/<pid>` answers `tasks` with how many asyncio tasks live, and `step <seconds>` by
setting the process's wall clock so far off.
"""

import asyncio.tasks
import os
import socketserver
import threading
from datetime import datetime, timedelta
from pathlib import Path

from shared.kernel.clock import SystemClock

_now = SystemClock.now
_step = timedelta()


def _stepped(clock: SystemClock) -> datetime:
    return _now(clock) + _step


class _Asked(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        global _step
        command, _, amount = self.rfile.readline().decode().strip().partition(" ")
        if command == "step":
            _step = timedelta(seconds=float(amount))
        living = sum(not task.done() for task in list(asyncio.tasks._all_tasks))  # type: ignore[attr-defined]
        self.wfile.write(f"{living}\n".encode())


def _listen(directory: str) -> None:
    SystemClock.now = _stepped  # type: ignore[assignment, method-assign]
    server = socketserver.UnixStreamServer(str(Path(directory) / str(os.getpid())), _Asked)
    threading.Thread(target=server.serve_forever, daemon=True, name="fault-inside").start()


if "QUINTANT_FAULT_INSIDE" in os.environ:
    _listen(os.environ["QUINTANT_FAULT_INSIDE"])
