"""Who waits for news of which session: readers are only told that there is more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

__all__ = ["Bells", "NarrowBells", "SessionBells"]


class SessionBells(Protocol):
    """What a watcher needs of the bells."""

    def one(self, session_id: str, /) -> AbstractContextManager[asyncio.Event]:
        """Hang up a bell for a session while the block runs."""
        ...

    def ring(self, session_id: str, /) -> None:
        """Tell the watchers of a session that something happened to it."""
        ...


class Bells:
    """The bells of all watchers of one store, on its loop.

    A wake-up too many does no harm, and none is lost (cpython#112202): a watcher hangs up its bell
    before it looks, and looks again whenever it rang.
    """

    __slots__ = ("_bells",)

    def __init__(self) -> None:
        self._bells: dict[str, set[asyncio.Event]] = {}

    def __len__(self) -> int:
        return sum(len(bells) for bells in self._bells.values())

    def __bool__(self) -> bool:
        # Of a dict's length alone: a database thread asks while the loop changes it.
        return bool(self._bells)

    @contextmanager
    def one(self, session_id: str) -> Generator[asyncio.Event]:
        """Hang up a bell for a session while the block runs."""
        bell = asyncio.Event()
        bells = self._bells.setdefault(session_id, set())
        bells.add(bell)
        try:
            yield bell
        finally:
            bells.discard(bell)
            if not bells and self._bells.get(session_id) is bells:
                del self._bells[session_id]

    def ring(self, session_id: str) -> None:
        """Tell the watchers of a session that something happened to it. O(its watchers)."""
        for bell in self._bells.get(session_id, ()):
            bell.set()

    def ring_all(self) -> None:
        """Tell every watcher: the store has ended, and asking it will say so."""
        for session_id in self._bells:
            self.ring(session_id)


class NarrowBells:
    """The bells as a principal's view has them: none of its attributes is the bells of all."""

    __slots__ = ("_all",)

    def __init__(self, bells: SessionBells) -> None:
        # A function: the bells as an attribute would lead to those of others.
        self._all: Callable[[], SessionBells] = lambda: bells

    def one(self, session_id: str, /) -> AbstractContextManager[asyncio.Event]:
        """Hang up a bell for a session while the block runs."""
        return self._all().one(session_id)

    def ring(self, session_id: str, /) -> None:
        """Tell the watchers of a session that something happened to it."""
        self._all().ring(session_id)
