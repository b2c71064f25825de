"""Detects stores that start threads: they cannot be explored."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager

__all__ = ["watch_threads"]

_TIMEOUT = 1.0
"""Seconds to wait for such threads at the end of the runs."""


@contextmanager
def watch_threads(enabled: bool) -> Generator[list[threading.Thread]]:
    """Yield a list that collects the threads started meanwhile; it stays empty unless `enabled`.

    Errors of these threads are not printed. All threads of the process are watched.
    """
    started: list[threading.Thread] = []
    if not enabled:
        yield started
        return
    start, excepthook = threading.Thread.start, threading.excepthook

    def record_start(thread: threading.Thread) -> None:
        started.append(thread)
        start(thread)

    threading.Thread.start = record_start  # type: ignore[assignment, method-assign]  # put back below
    # The explorer refuses them by an error in the thread itself.
    threading.excepthook = lambda _: None
    try:
        yield started
    finally:
        threading.Thread.start = start  # type: ignore[method-assign]  # as it was
        deadline = time.monotonic() + _TIMEOUT
        for thread in started:
            thread.join(max(0.0, deadline - time.monotonic()))
        threading.excepthook = excepthook
