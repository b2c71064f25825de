"""What a store reports about itself: its guarantees and its numbers."""

from __future__ import annotations

from sessionkeeper.interface.atomic_store import AtomicSessionStore
from sessionkeeper.values.guarantees import Guarantees
from sessionkeeper.values.states import SessionState

from .kit import StoreKit
from .promise import needs
from .samples import become, gap, new, note, odd

__all__ = ["CountingConformance"]


class CountingConformance(StoreKit):
    async def test_guarantees_are_declared(self, store: AtomicSessionStore) -> None:
        """`guarantees`: a class attribute, for programs to read."""
        found = getattr(type(store), "guarantees", None)
        assert isinstance(found, Guarantees), "a class attribute `guarantees` is needed"

    @needs("statistics")
    async def test_the_numbers_are_those_of_the_store(self, store: AtomicSessionStore) -> None:
        """`statistics()`: sessions by state, frames, bytes."""
        for state in SessionState:
            await store.create_session(new(state, state=state))
        for n in range(3):
            await store.add_frame(note(n, "active", size=100))
        held = await store.statistics()
        assert dict(held.sessions) == dict.fromkeys(SessionState, 1)
        assert (held.frames, held.bytes) in ((3, 300), (3, None))
        session = await store.get_session("active")
        await store.update_session(become("closed")(session))
        await store.delete_session("failed")
        await store.delete_frames("active")
        held = await store.statistics()
        wanted = dict.fromkeys(SessionState, 1) | {"active": 0, "closed": 2, "failed": 0}
        assert dict(held.sessions) == wanted
        assert (held.frames, held.bytes) in ((0, 0), (0, None))

    @needs("statistics")
    async def test_odd_frames_and_gaps_are_among_the_numbers(
        self, store: AtomicSessionStore
    ) -> None:
        """`odd_frames_added`, `gap_frames_added`: of the frames added, whatever became of them."""
        for key in "ab":
            await store.create_session(new(key))
            for each in (note(1, key), *odd(key), gap(key)):
                await store.add_frame(each)
        await store.delete_session("a")
        await store.delete_frames("b")
        counted = (await store.statistics()).counters
        assert counted.frames_added == 14
        assert (counted.odd_frames_added, counted.gap_frames_added) == (10, 2)

    @needs("statistics")
    async def test_the_numbers_add_up(self, store: AtomicSessionStore) -> None:
        """Counters always add up: everything created still exists or was counted as removed."""
        for n in range(6):
            await store.create_session(new(f"s{n}"))
            await store.add_frame(note(1, f"s{n}"))
        await store.delete_session("s0")
        await store.delete_frames("s1")
        if "expire_sessions" not in self.refuses:
            await store.expire_sessions(idle=0, limit=2)
        if "purge_sessions" not in self.refuses:
            await store.purge_sessions(ended_for=0, limit=1)
        held = await store.statistics()
        counted = held.counters
        there = sum(held.sessions.values())
        assert there == await store.count_sessions()
        assert counted.created == there + counted.deleted + counted.purged + counted.evicted == 6
        went = counted.frames_removed + counted.frames_dropped
        assert counted.frames_added == held.frames + went == 6
        assert counted.deleted == 1
