"""Who starts threads of his own cannot be explored: a look at whether that is so."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager

__all__ = ["watch_threads"]

_TIMEOUT = 1.0
"""Seconds to wait for such a thread before the run it belonged to is forgotten."""


@contextmanager
def watch_threads(enabled: bool) -> Generator[list[threading.Thread]]:
    """Give a list of the threads started meanwhile, empty when not `enabled`; what they
    raise is not printed.

    For as long as it takes, all threads of the process are watched.
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
        for thread in started:
            thread.join(_TIMEOUT)
        threading.excepthook = excepthook
