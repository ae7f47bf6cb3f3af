"""Shows on the terminal what goes on: a line for each step, with a spinner, a bar and the time that it took."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from quintant.stack.report import Advance


class Steps:
    """A `Report` on a terminal; on a pipe a line for each finished step."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            SpinnerColumn(finished_text="[green]✓"),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> "Steps":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    @contextmanager
    def step(self, title: str) -> Iterator[Advance]:
        task = self._progress.add_task(title, total=None)
        try:
            yield lambda done, total: self._progress.update(task, completed=done, total=total)
        except BaseException:
            self._progress.update(task, description=f"[red]{title}[/]")
            self._progress.stop_task(task)
            raise
        self._finish(task, title)

    def note(self, text: str) -> None:
        self._console.print(f"[dim]· {text}[/dim]", highlight=False)

    def _finish(self, task: TaskID, title: str) -> None:
        self._progress.update(task, total=1, completed=1)
        if not self._console.is_terminal:
            elapsed = self._progress.tasks[task].elapsed or 0
            self._console.print(f"✓ {title} ({elapsed:.1f} s)", highlight=False)
