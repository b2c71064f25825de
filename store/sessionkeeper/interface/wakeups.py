"""Wake-ups of those who wait for news of a session: they are only told that there is more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

__all__ = ["Wakeups", "PrincipalWakeups", "SessionWakeups"]


class SessionWakeups(Protocol):
    """What a watcher needs of the wake-ups."""

    def subscribe(self, session_id: str, /) -> AbstractContextManager[asyncio.Event]:
        """Register for the wake-ups of a session while the block runs."""
        ...

    def notify(self, session_id: str, /) -> None:
        """Tell the watchers of a session that something happened to it."""
        ...


class Wakeups:
    """The wake-ups of all watchers of one store, on its loop.

    An extra wake-up does no harm, and none is lost (cpython#112202): a watcher registers before it
    looks, and looks again after each wake-up.
    """

    __slots__ = ("_wakeups",)

    def __init__(self) -> None:
        self._wakeups: dict[str, set[asyncio.Event]] = {}

    def __len__(self) -> int:
        return sum(len(wakeups) for wakeups in self._wakeups.values())

    def __bool__(self) -> bool:
        # Of a dict's length alone: a database thread asks while the loop changes it.
        return bool(self._wakeups)

    @contextmanager
    def subscribe(self, session_id: str) -> Generator[asyncio.Event]:
        """Register for the wake-ups of a session while the block runs."""
        wakeup = asyncio.Event()
        wakeups = self._wakeups.setdefault(session_id, set())
        wakeups.add(wakeup)
        try:
            yield wakeup
        finally:
            wakeups.discard(wakeup)
            if not wakeups and self._wakeups.get(session_id) is wakeups:
                del self._wakeups[session_id]

    def notify(self, session_id: str) -> None:
        """Tell the watchers of a session that something happened to it. O(its watchers)."""
        for wakeup in self._wakeups.get(session_id, ()):
            wakeup.set()

    def notify_all(self) -> None:
        """Tell every watcher: the store has ended, and asking it will say so."""
        for session_id in self._wakeups:
            self.notify(session_id)


class PrincipalWakeups:
    """The wake-ups of a principal's view: none of its attributes is the wake-ups of the store."""

    __slots__ = ("_all",)

    def __init__(self, wakeups: SessionWakeups) -> None:
        # A function: as an attribute they would lead to the wake-ups of others.
        self._all: Callable[[], SessionWakeups] = lambda: wakeups

    def subscribe(self, session_id: str, /) -> AbstractContextManager[asyncio.Event]:
        """Register for the wake-ups of a session while the block runs."""
        return self._all().subscribe(session_id)

    def notify(self, session_id: str, /) -> None:
        """Tell the watchers of a session that something happened to it."""
        self._all().notify(session_id)
