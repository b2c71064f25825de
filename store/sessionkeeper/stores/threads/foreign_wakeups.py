"""The wake-ups of watchers whose event loop is not that of the store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any

from soleowner import LoopPort

from ...interface.wakeups import StoreWakeups

__all__ = ["ForeignWakeups"]


class ForeignWakeups:
    """The wake-ups of a store for watchers on any event loop.

    A watcher registers through the port that also sends its reads, so it is registered before the
    read, as on the store's own loop: no wake-up is lost.
    """

    __slots__ = ("_port", "_wakeups")

    def __init__(self, wakeups: StoreWakeups, port: LoopPort[Any]) -> None:
        self._wakeups = wakeups
        self._port = port

    @contextmanager
    def subscribe(self, session_id: str, /) -> Generator[asyncio.Event]:
        """Register for the wake-ups of a session while the block runs."""
        if asyncio.get_running_loop() is self._port.loop:  # its reads do not pass through the port
            with self._wakeups.subscribe(session_id) as here:
                yield here
            return
        wakeup = asyncio.Event()
        passed_on = _PassedOn(wakeup, self._port.inbox())
        registration = self._wakeups.register(session_id, passed_on)
        self._port.tell(partial(_begin, registration))
        try:
            yield wakeup
        finally:
            self._port.tell(partial(_end, registration))

    def notify(self, session_id: str, /) -> None:
        """Wake the watchers of a session."""
        self._port.tell(partial(self._wakeups.notify, session_id))


class _PassedOn:
    """A wake-up on the loop of the store, which wakes a watcher on its own loop."""

    __slots__ = ("_put", "_wakeup")

    def __init__(self, wakeup: asyncio.Event, put: Callable[[Callable[[], None]], None]) -> None:
        self._wakeup = wakeup
        self._put = put

    def set(self) -> None:
        self._put(self._wakeup.set)


def _begin(registration: AbstractContextManager[None]) -> None:
    registration.__enter__()


def _end(registration: AbstractContextManager[None]) -> None:
    registration.__exit__(None, None, None)
