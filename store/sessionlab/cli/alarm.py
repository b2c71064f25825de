"""Ends what runs too long without a look at the clock: rendering, or a model of the user."""

from __future__ import annotations

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager

from ..linearizability.time_limit import OutOfTime

__all__ = ["alarm"]


@contextmanager
def alarm(seconds: float | None) -> Generator[None]:
    """Raise `OutOfTime` in the block after `seconds`; at once if none are left.

    By a signal, so between two steps of the interpreter; only in the main thread of a process that
    has no alarm of its own. Elsewhere, and without a number, the block runs as long as it takes.
    """
    if seconds is not None and seconds <= 0:
        raise OutOfTime
    is_main = threading.current_thread() is threading.main_thread()
    if seconds is None or not is_main or signal.getitimer(signal.ITIMER_REAL)[0]:
        yield
        return

    def end(*_: object) -> None:
        raise OutOfTime

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
