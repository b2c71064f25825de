"""Watching a log that is replaced: its server or file came back as it was before."""

from __future__ import annotations

import asyncio

import pytest
from sessionkeeper.interface.atomic_store import AtomicSessionStore
from sessionkeeper.values.errors import LogReplaced
from sessionkeeper.values.guarantees import Durability

from .kit import BACKUPS, AtomicStoreKit
from .promise import needs
from .samples import new, note, numbers, turns

__all__ = ["ReplacedLogsConformance"]


async def grow(store: AtomicSessionStore, first: int, last: int) -> None:
    """Append frames with these numbers in their messages to the session `a`."""
    for n in range(first, last + 1):
        await store.add_frame(note(n))


class ReplacedLogsConformance(AtomicStoreKit, needs={"watch_frames"}):
    def _skip_unless_replaceable(self, store: AtomicSessionStore) -> None:
        level = store.guarantees.durability
        written = type(self).back_up is not AtomicStoreKit.back_up
        if level in (Durability.MEMORY, Durability.INNER) and not written:
            pytest.skip(
                f"{type(store).__name__} declares durability {level}, and no `back_up` is written"
            )

    @needs(BACKUPS)
    @pytest.mark.parametrize("later", [1, 3, 9])
    async def test_a_watcher_is_told_that_its_log_was_replaced(
        self, store: AtomicSessionStore, later: int
    ) -> None:
        """`LogReplaced` where the frame read last is lost, however long the log is by now."""
        self._skip_unless_replaceable(store)
        await store.create_session(new())
        await grow(store, 1, 2)
        restore = await self.back_up(store)
        await grow(store, 3, 5)
        watcher = store.watch_frames("a")
        assert [(await anext(watcher)).seq for _ in range(5)] == [1, 2, 3, 4, 5]
        await restore()
        await grow(store, 101, 100 + later)
        for _ in range(2):
            with pytest.raises(LogReplaced) as told:
                await anext(watcher)
            assert (told.value.session_id, told.value.after) == ("a", 5)
        assert numbers(await store.get_frames("a")) == [1, 2, *range(101, 101 + later)]

    @needs(BACKUPS)
    @pytest.mark.parametrize("later", ["x", "other"])
    async def test_a_watcher_of_a_stream_is_told_that_its_log_was_replaced(
        self, store: AtomicSessionStore, later: str
    ) -> None:
        """`LogReplaced` where the frame read last is lost, whatever stream has its number now."""
        self._skip_unless_replaceable(store)
        await store.create_session(new())
        await store.add_frame(note(1, stream="x"))
        restore = await self.back_up(store)
        for n in (2, 3):
            await store.add_frame(note(n, stream="x"))
        watcher = store.watch_frames("a", stream="x")
        assert [(await anext(watcher)).seq for _ in range(3)] == [1, 2, 3]
        await restore()
        for n in (102, 103, 104):
            await store.add_frame(note(n, stream=later))
        for _ in range(2):
            with pytest.raises(LogReplaced) as told:
                await anext(watcher)
            assert (told.value.session_id, told.value.after) == ("a", 3)
        found = await store.read_frames("a", stream="x")
        assert numbers([frame.envelope for frame in found])[0] == 1
        assert len(found) == (4 if later == "x" else 1), "the index was not replaced with its log"

    @needs(BACKUPS)
    async def test_a_watcher_goes_on_where_its_frames_are_there(
        self, store: AtomicSessionStore
    ) -> None:
        """No `LogReplaced` where all that was read is still in the log."""
        self._skip_unless_replaceable(store)
        await store.create_session(new())
        await grow(store, 1, 2)
        watcher = store.watch_frames("a")
        assert [(await anext(watcher)).seq for _ in range(2)] == [1, 2]
        restore = await self.back_up(store)
        await grow(store, 3, 5)
        await restore()
        await grow(store, 103, 103)
        frame = await anext(watcher)
        assert (frame.seq, numbers([frame.envelope])) == (3, [103])

    async def test_removed_frames_are_no_replaced_log(self, store: AtomicSessionStore) -> None:
        """No `LogReplaced` where the frame read last was trimmed or cleared."""
        await store.create_session(new())
        await grow(store, 1, 1)
        watcher = store.watch_frames("a")
        assert (await anext(watcher)).seq == 1
        for n, trims in enumerate((False, True, False, True), 2):
            waiting = asyncio.ensure_future(anext(watcher))
            await turns(20)
            if trims and "trim_frames" not in self.refuses:
                await store.trim_frames("a", up_to=n - 1)
            else:
                await store.delete_frames("a")
            await grow(store, n, n)
            assert (await waiting).seq == n
