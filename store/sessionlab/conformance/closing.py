"""Opening and closing: every caller is answered, and none waits forever."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from sessionkeeper.interface.atomic_store import AtomicSessionStore
from sessionkeeper.values.errors import OutcomeUnknown, StoreClosed

from .kit import StoreKit
from .samples import new, note, turns

__all__ = ["ClosingConformance"]


def everything(store: AtomicSessionStore) -> dict[str, Callable[[], Coroutine[Any, Any, object]]]:
    """A call of every method that a closed store must refuse."""
    session = new("late")
    return {
        "create_session": lambda: store.create_session(session),
        "get_session": lambda: store.get_session("a"),
        "update_session": lambda: store.update_session(session),
        "delete_session": lambda: store.delete_session("a"),
        "list_sessions": store.list_sessions,
        "count_sessions": store.count_sessions,
        "add_frame": lambda: store.add_frame(note()),
        "get_frames": lambda: store.get_frames("a"),
        "delete_frames": lambda: store.delete_frames("a"),
        "count_frames": lambda: store.count_frames("a"),
        "get_sessions_batch": lambda: store.get_sessions_batch(["a"]),
        "update_sessions_batch": lambda: store.update_sessions_batch([]),
        "modify_session": lambda: store.modify_session("a", lambda s: s),
        "get_or_create_session": lambda: store.get_or_create_session(session),
        "put_session": lambda: store.put_session(session),
        "touch_session": lambda: store.touch_session("a"),
        "archive_session": lambda: store.archive_session(session, expected_last_seq=0),
        "add_frames": lambda: store.add_frames("a", [note()]),
        "read_frames": lambda: store.read_frames("a"),
        "search_frames": lambda: store.search_frames("a", containing=[b"x"]),
        "trim_frames": lambda: store.trim_frames("a", up_to=1),
        "remove_frames": lambda: store.remove_frames("a", [1]),
        "expire_sessions": lambda: store.expire_sessions(idle=0),
        "purge_sessions": lambda: store.purge_sessions(ended_for=0),
        "statistics": store.statistics,
    }


class ClosingConformance(StoreKit):
    async def test_a_closed_store_refuses_every_call(self, store: AtomicSessionStore) -> None:
        """`aclose()`: refuses new commands with `StoreClosed`. Idempotent."""
        await store.create_session(new())
        await asyncio.gather(*(store.aclose() for _ in range(3)))
        await store.aclose()
        if store.is_open:
            assert await store.count_sessions() == 1, "a store that stays open goes on"
            return
        for method, call in everything(store).items():
            if method in self.refuses:
                continue
            with pytest.raises(StoreClosed):
                await call()
                pytest.fail(f"{method} of a closed store was answered")

    async def test_closing_finishes_what_is_queued(self, store: AtomicSessionStore) -> None:
        """`aclose()`: finishes queued commands and refuses the others; every caller is answered."""
        await store.create_session(new())
        await self._closed_among(store, timeout=None)

    async def test_closing_in_time_answers_everyone(self, store: AtomicSessionStore) -> None:
        """`aclose(timeout=…)` answers what is left with `StoreClosed`."""
        await store.create_session(new())
        await self._closed_among(store, timeout=0)

    async def _closed_among(self, store: AtomicSessionStore, timeout: float | None) -> None:
        tasks = [asyncio.create_task(store.add_frame(note(n))) for n in range(20)]
        await turns(1)
        await store.aclose(timeout=timeout)
        told = await asyncio.gather(*tasks, return_exceptions=True)
        seqs = [each for each in told if isinstance(each, int)]
        assert sorted(seqs) == [*range(1, len(seqs) + 1)], f"the numbers have a gap: {seqs}"
        for each in told:
            known = (int, StoreClosed) if timeout is None else (int, StoreClosed, OutcomeUnknown)
            assert isinstance(each, known), f"a caller was answered {each!r}"
        if store.is_open:
            assert len(seqs) == await store.count_frames("a")

    async def test_an_open_store_can_be_entered(self, store: AtomicSessionStore) -> None:
        """`async with` of an open store returns that store, and closes it at the end."""
        assert store.is_open
        async with store as entered:
            assert entered is store
            await store.create_session(new())
