"""How long work tells that it goes on. The command line shows it; tests and scripts may say nothing."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TypeAlias

Advance: TypeAlias = Callable[[int, int], None]
"""Told what is done and what there is in all."""


class Report(Protocol):
    """Shows steps as they begin and end."""

    def step(self, title: str) -> AbstractContextManager[Advance]:
        """One piece of work; several may go on at once, also from threads."""

    def note(self, text: str) -> None:
        """Something that the reader should know: a port that was taken, a process that was found."""


class Silent:
    """Says nothing."""

    @contextmanager
    def step(self, title: str) -> Iterator[Advance]:  # noqa: ARG002
        yield lambda _done, _total: None

    def note(self, text: str) -> None:
        """Nothing."""
