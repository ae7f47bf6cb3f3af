"""What `python -m services.<name> <role>` does: settings once, logging, event loop, signals, one role, an exit code."""

import argparse
import asyncio
import json
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import uvloop
from pydantic import ValidationError

from shared.kernel.clock import SystemClock
from shared.kernel.errors import QuintantError, StoppedError
from shared.runtime.settings import ServiceSettings, SettingsError, TopicSettings, explain
from shared.runtime.shutdown import Shutdown
from shared.telemetry.logging import configure, get_logger

EXIT_FAILED = 1
EXIT_SETTINGS = 2
EXIT_STOPPED = 3
"""A person must look; restarting does not help."""

S = TypeVar("S", bound=ServiceSettings)
T = TypeVar("T", bound=TopicSettings)

Role = Callable[[S, Shutdown], Coroutine[Any, Any, None]]
"""Returns when its work is done or the shutdown was requested; raises when it failed."""

Tell = Callable[[Mapping[str, Any]], None]
"""Where a command says what it has done."""


@dataclass(frozen=True, slots=True)
class Command(Generic[S]):
    """A role that is told more by its caller and tells what it does: a line a step on stdout, the log on stderr."""

    declare: Callable[[argparse.ArgumentParser], None]
    carry_out: Callable[[S, Shutdown, argparse.Namespace, Tell], Coroutine[Any, Any, None]]


_log = get_logger("quintant.runtime")


def run(roles: Mapping[str, Role[S] | Command[S]], settings_class: type[S], argv: Sequence[str] | None = None) -> int:
    """The exit code of the process: 0 done, 1 failed, 2 settings or usage, 3 stopped and a person must look."""
    service = settings_class.service
    parser = argparse.ArgumentParser(prog=f"python -m services.{service}")
    parsers = parser.add_subparsers(dest="role", required=True)
    for name, role in sorted(roles.items()):
        declared = parsers.add_parser(name)
        if isinstance(role, Command):
            role.declare(declared)
            declared.add_argument("--json", action="store_true", help="tell each step as a line of JSON")
    said = parser.parse_args(argv)
    try:
        settings = load(settings_class)
    except SettingsError as error:
        sys.stderr.write(f"{service} {said.role} cannot start:\n{error}\n")
        return EXIT_SETTINGS
    chosen = roles[said.role]
    if isinstance(chosen, Command):
        configure(service=service, role=said.role, level=settings.log_level, stream=sys.stderr)
        chosen = _told(chosen, said)
    else:
        configure(service=service, role=said.role, level=settings.log_level)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run(chosen, settings))


def _told(command: Command[S], said: argparse.Namespace) -> Role[S]:
    def tell(step: Mapping[str, Any]) -> None:
        line = json.dumps(step) if said.json else "  ".join(f"{name} {value}" for name, value in step.items())
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    async def role(settings: S, shutdown: Shutdown) -> None:
        await command.carry_out(settings, shutdown, said, tell)

    return role


def load(settings_class: type[T]) -> T:
    """The settings from the environment. SettingsError names each wrong variable and what to do."""
    try:
        return settings_class()
    except ValidationError as error:
        raise SettingsError("\n".join(f"  {line}" for line in explain(settings_class, error))) from error


async def _run(role: Role[S], settings: S) -> int:
    shutdown = Shutdown(SystemClock())
    with shutdown.on_signals():
        try:
            await role(settings, shutdown)
        except QuintantError as error:
            stopped = isinstance(error, StoppedError)
            # Its detail says what to do; a traceback would only bury it.
            _log.error("stopped" if stopped else "failed", kind=type(error).__name__, detail=error.detail)
            return EXIT_STOPPED if stopped else EXIT_FAILED
        except Exception:  # noqa: BLE001 - a bug ends the process, its traceback in the log
            _log.exception("crashed")
            return EXIT_FAILED
        finally:
            shutdown.done()
    _log.info("ended")
    return 0
