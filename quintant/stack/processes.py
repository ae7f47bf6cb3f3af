"""Long-lived processes that outlive the command that started them.

A process is known by its pid together with its start, so a pid that was recycled after `kill -9` or a reboot is never
trusted and never signalled.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
import psutil

from quintant.stack.errors import StackError

HOME_VARIABLE = "QUINTANT_HOME"
NAME_VARIABLE = "QUINTANT_PROCESS"
_POLL_SECONDS = 0.05
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class ProcessId(msgspec.Struct, frozen=True):
    """One process of one boot. `started` is opaque: equal for the same process, different for any other."""

    pid: int
    started: str


def identify(pid: int) -> ProcessId | None:
    """The identity of the process that has this pid now."""
    try:
        if _BOOT_ID.exists():
            # Linux. Ticks since boot do not move when the clock of the machine is set; psutil's seconds since 1970 do.
            ticks = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[19]
            return ProcessId(pid, f"{_BOOT_ID.read_text().strip()}/{ticks}")
        return ProcessId(pid, f"{psutil.Process(pid).create_time():.2f}")
    except (OSError, psutil.NoSuchProcess):
        return None


def is_alive(process: ProcessId | None) -> bool:
    """Whether exactly this process still runs (a zombie does not)."""
    if process is None or identify(process.pid) != process:
        return False
    try:
        return psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def spawn(
    command: Sequence[str | Path], *, log: Path, env: Mapping[str, str], cwd: Path, owner: tuple[int, int] | None = None
) -> ProcessId:
    """Start a process in a session of its own, its output appended to `log`; `owner` is the (uid, gid) to run as."""
    uid, gid = owner or (None, None)
    with log.open("ab") as sink:
        child = subprocess.Popen(  # noqa: S603 - the commands are the stack's own
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            env=dict(env),
            cwd=cwd,
            start_new_session=True,
            user=uid,
            group=gid,
            extra_groups=[] if owner else None,
        )
    process = identify(child.pid)
    # It is meant to outlive this object; without a return code Popen warns about that when it is collected.
    child.returncode = 0
    if process is None:
        raise StackError(f"{command[0]} ended at once", log=log)
    return process


def wait_until_ready(
    what: str, ready: Callable[[], bool], process: ProcessId, *, seconds: float, log: Path, advice: str = ""
) -> None:
    """Return when `ready()`; raise when the process ends first or the time is over."""
    deadline = time.monotonic() + seconds
    while not ready():
        if not is_alive(process):
            reap(process)
            raise StackError(f"{what} ended while it was starting", advice=advice or f"Read {log}.", log=log)
        if time.monotonic() > deadline:
            raise StackError(f"{what} is not ready after {seconds:.0f} s", advice=advice or f"Read {log}.", log=log)
        time.sleep(_POLL_SECONDS)


def wait_until_gone(process: ProcessId, seconds: float) -> bool:
    """Whether the process ended within the time."""
    deadline = time.monotonic() + seconds
    while is_alive(process):
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    reap(process)
    return True


def reap(process: ProcessId) -> None:
    """Collect the exit status if it was our child, so that no zombie stays."""
    if identify(process.pid) == process:
        try:
            psutil.Process(process.pid).wait(timeout=0)
        except (psutil.NoSuchProcess, psutil.TimeoutExpired):
            return


def stop(process: ProcessId, *, with_signal: signal.Signals = signal.SIGTERM, seconds: float) -> bool:
    """Ask the process to end and wait; after `seconds` kill it. True if it ended by itself."""
    if not is_alive(process):
        reap(process)
        return True
    _signal(process, with_signal)
    if wait_until_gone(process, seconds):
        return True
    kill(process)
    return False


def kill(process: ProcessId) -> None:
    """End the process and its descendants at once, as a crash would."""
    if not is_alive(process):
        return
    family = [process, *descendants(process)]
    for member in family:
        _signal(member, signal.SIGKILL)
    for member in family:
        if not wait_until_gone(member, 10):
            raise StackError(f"process {member.pid} does not end even when killed", advice="It may wait for a disk.")


def _signal(process: ProcessId, which: signal.Signals) -> None:
    if identify(process.pid) == process:
        try:
            os.kill(process.pid, which)
        except ProcessLookupError:
            return
        except PermissionError as error:
            raise StackError(
                f"process {process.pid} belongs to another user", advice="Run the command as the user who started it."
            ) from error


def descendants(process: ProcessId) -> list[ProcessId]:
    """All living children, grandchildren, …"""
    try:
        children = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return [found for child in children if (found := identify(child.pid))]


def resident_bytes(process: ProcessId) -> int:
    """Memory held. Of a family of processes the shared part is counted once, where the system can tell."""
    try:
        root = psutil.Process(process.pid)
        children = root.children(recursive=True)
        return root.memory_info().rss if not children else sum(_proportional(member) for member in (root, *children))
    except psutil.NoSuchProcess:
        return 0


def _proportional(member: psutil.Process) -> int:
    try:
        full = member.memory_full_info()
        return int(getattr(full, "pss", full.uss))
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0


def of_home(home: Path) -> Iterator[tuple[str, ProcessId]]:
    """Every living process that was started for this home, by the name that it was started under.

    It finds what a start left behind that was interrupted before it could write down the pid.
    """
    for process in psutil.process_iter():
        environment = _environment(process)
        if NAME_VARIABLE not in environment or environment.get(HOME_VARIABLE) != str(home):
            continue
        if NAME_VARIABLE in _environment(process.parent()):
            continue
        identity = identify(process.pid)
        if identity is not None and is_alive(identity):
            yield environment[NAME_VARIABLE], identity


def _environment(process: psutil.Process | None) -> dict[str, str]:
    try:
        return process.environ() if process else {}
    except (psutil.Error, OSError):
        return {}
