"""A progress bar, shown only on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..printing import PrintableStream, printable

if TYPE_CHECKING:
    from rich.progress import Progress

__all__ = ["ProgressBar", "progress", "progress_bar"]


class ProgressBar:
    """A bar on stderr."""

    def __init__(self, bars: Progress, what: str, total: int | None) -> None:
        self._bars = bars
        self._bar = bars.add_task(printable(what), total=total)

    def advance(self, count: int = 1) -> None:
        """Count steps as done."""
        self._bars.advance(self._bar, count)

    def update(self, what: str, *, done: int | None = None, total: int | None = None) -> None:
        """Name the current step, and say how many are done, of how many."""
        self._bars.update(self._bar, description=printable(what), completed=done, total=total)

    def stop(self) -> None:
        """Remove the bar early: the process ends immediately."""
        self._bars.stop()


@contextmanager
def progress_bar(what: str, total: int | None) -> Generator[ProgressBar]:
    """Draw a bar on stderr until the block ends."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
    )

    stderr = sys.stderr
    terminal = Console(file=stderr.stream if isinstance(stderr, PrintableStream) else stderr)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
    )
    with Progress(
        *columns,
        console=terminal,
        transient=True,
        disable=not terminal.is_terminal,
        redirect_stdout=sys.stdout.isatty(),  # output to a file cannot be erased
    ) as bars:
        yield ProgressBar(bars, what, total)


@contextmanager
def progress(what: str, total: int | None) -> Generator[Callable[[int], None]]:
    """Draw a bar on stderr; call the yielded function to advance it."""
    with progress_bar(what, total) as bar:
        yield bar.advance
