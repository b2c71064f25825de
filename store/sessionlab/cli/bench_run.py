"""Runs a benchmark with a progress bar, and stops it on a signal."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager

from sessionkeeper.cli.progress import progress_bar

from ..bench import BenchPlan, BenchResult, run_benchmark

__all__ = ["STOPPING", "StopRequest", "stop_on_signal", "run_with_progress"]

STOPPING = "stopping after this step; again to stop at once"


class StopRequest:
    """Whether a signal requests to stop, and which one."""

    number: int | None = None
    on_signal: Callable[[], object] | None = None
    """Called when it comes, to say so: what is measured now goes on until its end."""

    def __call__(self) -> bool:
        return self.number is not None

    @property
    def code(self) -> int:
        """The exit code of the process after this signal."""
        return 128 + (self.number or signal.SIGINT)


def run_with_progress(plan: BenchPlan, request: StopRequest, /) -> BenchResult:
    """Measure; a stop request ends it with the results so far. Raises `MeasurementFailed`."""
    with progress_bar("starting", None) as bar:

        def tell(text: str, /, *, done: int, total: int) -> None:
            bar.update(text, done=done, total=total)

        request.on_signal = lambda: bar.update(STOPPING)
        try:
            return run_benchmark(plan, tell=tell, stopping=request)
        finally:
            request.on_signal = None


@contextmanager
def stop_on_signal() -> Generator[StopRequest]:
    """Let the first Ctrl-C or SIGTERM request a stop, which keeps the results so far; the second
    one ends the process at once."""
    request = StopRequest()

    def interrupt(number: int, _: object) -> None:
        if request():
            raise KeyboardInterrupt
        request.number = number
        if request.on_signal is not None:
            request.on_signal()

    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {each: signal.signal(each, interrupt) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield request
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
