"""Runs a benchmark with a progress bar, and stops it on a signal."""

from __future__ import annotations

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager

from ..bench import BenchPlan, BenchResult, run_benchmark

__all__ = ["StopRequest", "stop_on_signal", "run_with_progress"]


class StopRequest:
    """Whether a signal request to stop, and which one."""

    number: int | None = None

    def __call__(self) -> bool:
        return self.number is not None

    @property
    def code(self) -> int:
        """The exit code of the process after this signal."""
        return 128 + (self.number or signal.SIGINT)


def run_with_progress(plan: BenchPlan, request: StopRequest, /) -> BenchResult:
    """Measure; a stop request ends it with the results so far. Raises `MeasurementFailed`."""
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

        return run_benchmark(plan, tell=tell, stopping=request)


@contextmanager
def stop_on_signal() -> Generator[StopRequest]:
    """Let the first Ctrl-C or SIGTERM request a stop, which keeps the results so far; the second
    one ends the process at once."""
    request = StopRequest()

    def interrupt(number: int, _: object) -> None:
        if request():
            raise KeyboardInterrupt
        request.number = number

    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {each: signal.signal(each, interrupt) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield request
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
