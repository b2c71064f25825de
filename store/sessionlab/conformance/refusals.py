"""A store may refuse what it cannot keep. What it declares as refused, it must refuse."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context
from typing import Any

import pytest
from sessionkeeper.interface.atomic_store import AtomicSessionStore
from sessionkeeper.values.clock import Clock
from sessionkeeper.values.events import SessionEvent
from sessionkeeper.values.limits import StoreLimits
from sessionkeeper.values.query import SessionQuery

from .kit import BACKUPS, REFUSABLE, SEVERAL, AtomicStoreKit
from .samples import held, new, note

__all__ = ["RefusalsConformance"]


def deaf(event: SessionEvent, context: Context) -> None:
    """A listener."""


CALLS: dict[str, Callable[[AtomicSessionStore], Any]] = {
    "get_sessions_batch": lambda s: s.get_sessions_batch(["a"]),
    "update_sessions_batch": lambda s: s.update_sessions_batch([]),
    "modify_session": lambda s: s.modify_session("a", lambda session: session),
    "get_or_create_session": lambda s: s.get_or_create_session(new()),
    "put_session": lambda s: s.put_session(new()),
    "touch_session": lambda s: s.touch_session("a"),
    "archive_session": lambda s: s.archive_session(new(), expected_last_seq=0),
    "add_frames": lambda s: s.add_frames("a", [note()]),
    SEVERAL: lambda s: s.add_frames("a", [note(1), note(2)]),
    "read_frames": lambda s: s.read_frames("a"),
    "search_frames": lambda s: s.search_frames("a", containing=[b"x"]),
    "trim_frames": lambda s: s.trim_frames("a", up_to=1),
    "remove_frames": lambda s: s.remove_frames("a", [1]),
    "find_sessions": lambda s: s.find_sessions(SessionQuery()),
    "expire_sessions": lambda s: s.expire_sessions(idle=0),
    "purge_sessions": lambda s: s.purge_sessions(ended_for=0),
    "watch_frames": lambda s: anext(s.watch_frames("a")),
    "statistics": lambda s: s.statistics(),
    "subscribe": lambda s: s.subscribe(deaf),
    "for_principal": lambda s: s.for_principal("somebody"),
}


class RefusalsConformance(AtomicStoreKit):
    async def test_what_is_declared_as_refused_is_refused(self, store: AtomicSessionStore) -> None:
        """A backend that cannot keep a promise refuses the method; it never weakens it."""
        unknown = set(self.refuses) - REFUSABLE
        assert not unknown, f"`refuses` names what cannot be refused: {sorted(unknown)}"
        await store.create_session(new())
        before = await held(store)
        for method in self.refuses:
            with pytest.raises(NotImplementedError):
                if method == "limits":
                    self.make_store(limits=StoreLimits())
                elif method == "clock":
                    self.make_store(clock=Clock())
                elif method == BACKUPS:
                    await self.back_up(store)
                else:
                    await CALLS[method](store)
                pytest.fail(f"{method} is declared as refused, and works: test it")
        assert await held(store) == before, "a refusal has no effect"
