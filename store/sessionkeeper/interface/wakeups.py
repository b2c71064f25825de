"""Wake-ups of watchers: a wake-up tells that a session may have changed, not how."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

__all__ = ["StoreWakeups", "PrincipalWakeups", "Wakeup", "Wakeups"]


class Wakeup(Protocol):
    """Who is woken: the event of a watcher, or what passes the wake-up on."""

    def set(self) -> None:
        """Wake it. Never raises."""


class Wakeups(Protocol):
    """The wake-ups that a watcher uses."""

    def subscribe(self, session_id: str, /) -> AbstractContextManager[asyncio.Event]:
        """Register for the wake-ups of a session while the block runs."""
        ...

    def notify(self, session_id: str, /) -> None:
        """Wake the watchers of a session."""
        ...


class StoreWakeups:
    """The wake-ups of all watchers of one store, on its loop.

    An extra wake-up does no harm, and none is lost (cpython#112202): a watcher registers before it
    reads, and reads again after each wake-up.
    """

    __slots__ = ("_wakeups",)

    def __init__(self) -> None:
        self._wakeups: dict[str, set[Wakeup]] = {}

    def __len__(self) -> int:
        return sum(len(wakeups) for wakeups in self._wakeups.values())

    def __bool__(self) -> bool:
        # Of a dict's length alone: a database thread asks while the loop changes it.
        return bool(self._wakeups)

    @contextmanager
    def subscribe(self, session_id: str) -> Generator[asyncio.Event]:
        """Register for the wake-ups of a session while the block runs."""
        wakeup = asyncio.Event()
        with self.register(session_id, wakeup):
            yield wakeup

    @contextmanager
    def register(self, session_id: str, wakeup: Wakeup) -> Generator[None]:
        """Have something woken by the wake-ups of a session while the block runs."""
        wakeups = self._wakeups.setdefault(session_id, set())
        wakeups.add(wakeup)
        try:
            yield
        finally:
            wakeups.discard(wakeup)
            if not wakeups and self._wakeups.get(session_id) is wakeups:
                del self._wakeups[session_id]

    def notify(self, session_id: str) -> None:
        """Wake the watchers of a session. O(its watchers)."""
        for wakeup in self._wakeups.get(session_id, ()):
            wakeup.set()

    def notify_all(self) -> None:
        """Wake all watchers: the store has ended, which their next read reports."""
        for session_id in self._wakeups:
            self.notify(session_id)

    async def aclose(self) -> None:
        """Listen to no other process any more, and wake all watchers: the store has ended."""
        self.notify_all()


class PrincipalWakeups:
    """The wake-ups of a principal's view. No attribute leads to those of the whole store."""

    __slots__ = ("_all",)

    def __init__(self, wakeups: Wakeups) -> None:
        # A function: an attribute would lead to the wake-ups of others.
        self._all: Callable[[], Wakeups] = lambda: wakeups

    def subscribe(self, session_id: str, /) -> AbstractContextManager[asyncio.Event]:
        """Register for the wake-ups of a session while the block runs."""
        return self._all().subscribe(session_id)

    def notify(self, session_id: str, /) -> None:
        """Wake the watchers of a session."""
        self._all().notify(session_id)
