"""Who waits for news of which session: readers are only told that there is more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

__all__ = ["Wakeups", "NarrowBells", "SessionBells"]


class SessionBells(Protocol):
    """What a watcher needs of the bells."""

    def subscribe(self, session_id: str, /) -> AbstractContextManager[asyncio.Event]:
        """Hang up a bell for a session while the block runs."""
        ...

    def notify(self, session_id: str, /) -> None:
        """Tell the watchers of a session that something happened to it."""
        ...


class Wakeups:
    """The bells of all watchers of one store, on its loop.

    A wake-up too many does no harm, and none is lost (cpython#112202): a watcher hangs up its bell
    before it looks, and looks again whenever it rang.
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
        """Hang up a bell for a session while the block runs."""
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


class NarrowBells:
    """The bells as a principal's view has them: none of its attributes is the bells of all."""

    __slots__ = ("_all",)

    def __init__(self, wakeups: SessionBells) -> None:
        # A function: the bells as an attribute would lead to those of others.
        self._all: Callable[[], SessionBells] = lambda: wakeups

    def subscribe(self, session_id: str, /) -> AbstractContextManager[asyncio.Event]:
        """Hang up a bell for a session while the block runs."""
        return self._all().subscribe(session_id)

    def notify(self, session_id: str, /) -> None:
        """Tell the watchers of a session that something happened to it."""
        self._all().notify(session_id)
