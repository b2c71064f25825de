"""Runs a benchmark with a bar on the terminal, and ends it when somebody asks."""

from __future__ import annotations

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager

from ..bench import BenchPlan, BenchResult, run_benchmark

__all__ = ["StopRequest", "stop_on_signal", "run_with_progress"]


class StopRequest:
    """Whether somebody wants it to stop, and by which signal."""

    number: int | None = None

    def __call__(self) -> bool:
        return self.number is not None

    @property
    def code(self) -> int:
        """The exit code that says so."""
        return 128 + (self.number or signal.SIGINT)


def run_with_progress(plan: BenchPlan, asked: StopRequest, /) -> BenchResult:
    """Measure it; Ctrl-C ends it with what there is. Raises `MeasurementFailed`."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    terminal = Console(stderr=True)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
    with Progress(
        *columns, console=terminal, transient=True, disable=not terminal.is_terminal
    ) as progress:
        bar = progress.add_task("starting", total=None)

        def tell(text: str, /, *, done: int, total: int) -> None:
            progress.update(bar, description=text, completed=done, total=total)

        return run_benchmark(plan, tell=tell, stopping=asked)


@contextmanager
def stop_on_signal() -> Generator[StopRequest]:
    """The first Ctrl-C, or SIGTERM, asks, so that what was measured is kept; the second one does
    not."""
    asked = StopRequest()

    def interrupt(number: int, _: object) -> None:
        if asked():
            raise KeyboardInterrupt
        asked.number = number

    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before = {each: signal.signal(each, interrupt) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
