"""Where the commands write, and how they end when something went wrong."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.markup import escape
from rich.text import Text

from quintant.client import ServiceError
from quintant.stack.errors import StackError

_PIPE_WIDTH = 120
console = Console() if sys.stdout.isatty() or "COLUMNS" in os.environ else Console(width=_PIPE_WIDTH)
errors = Console(stderr=True)


@contextmanager
def failing_plainly() -> Iterator[None]:
    """An expected failure is said in red with what to do about it, without a traceback; the exit code is its own."""
    try:
        yield
    except StackError as error:
        errors.print(f"[bold red]✗ {escape(error.message)}[/]")
        if error.advice:
            errors.print(escape(error.advice), highlight=False)
        if error.tail:
            errors.print(Text(error.tail, style="dim"))
        raise typer.Exit(error.exit_code) from None
    except ServiceError as error:
        errors.print(f"[bold red]✗ {escape(str(error))}[/]")
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        errors.print("[yellow]Interrupted. `quintant up` goes on from here; `quintant down` stops what runs.[/]")
        raise typer.Exit(130) from None
