"""A sweep that ends or deletes several sessions is one step, to every reader and when cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import pytest
from sessionkeeper.interface.atomic_store import AtomicSessionStore
from sessionkeeper.values.errors import SessionNotFound
from sessionkeeper.values.guarantees import Atomicity

from .cancellation import answered, moments
from .kit import StoreKit
from .promise import skip_what_is_refused
from .samples import new, turns

__all__ = ["SweepingConformance"]

SEVERAL = 6

Sweep: TypeAlias = Callable[[AtomicSessionStore], Awaitable[object]]

SWEEPS: dict[str, tuple[str, Sweep]] = {
    "expire_sessions": ("active", lambda store: store.expire_sessions(idle=0)),
    "purge_sessions": ("closed", lambda store: store.purge_sessions(ended_for=0)),
}
"""By method: the state of the sessions it takes, and the call."""


class Swept:
    """Sessions that one sweep takes, and the ways to see how far it is."""

    def __init__(self, store: AtomicSessionStore, method: str, prefix: str) -> None:
        self.store = store
        self.state, self.sweep = SWEEPS[method]
        self.keys = [f"{prefix}-{n}" for n in range(SEVERAL)]
        self.over = False

    async def create(self) -> None:
        """Create them."""
        for key in self.keys:
            await self.store.create_session(new(key, state=self.state))

    async def is_swept(self, key: str) -> bool:
        """Whether the sweep has taken this session."""
        try:
            return (await self.store.get_session(key)).state != self.state
        except SessionNotFound:
            return True

    async def listed(self) -> list[bool]:
        """The same of all sessions, by one listing."""
        listed = {each.id: each.state for each in await self.store.list_sessions()}
        return [listed.get(key) != self.state for key in self.keys]

    async def look_one_by_one(self, keys: list[str]) -> None:
        """Read them in this order: once one is taken, all that are read later are."""
        while not self.over:
            swept = [await self.is_swept(key) for key in keys]
            assert swept == sorted(swept), f"a part of one sweep was seen: {swept}"
            await turns(1)

    async def look_at_once(self) -> None:
        """List and count them: all are there, or none is."""
        while not self.over:
            swept = await self.listed()
            assert len(set(swept)) == 1, f"a part of one sweep was listed: {swept}"
            if self.state == "closed":  # a purge
                count = await self.store.count_sessions()
                assert count in (0, SEVERAL), f"a part of one sweep was counted: {count}"
            await turns(1)


class SweepingConformance(StoreKit, level="operation"):
    @pytest.mark.parametrize("method", SWEEPS)
    async def test_nobody_sees_half_a_sweep(self, store: AtomicSessionStore, method: str) -> None:
        """`expire_sessions` and `purge_sessions` are atomic, also when they take several."""
        skip_what_is_refused(self, {method})
        for wait in range(4):
            swept = Swept(store, method, f"w{wait}")
            await swept.create()
            looks = [swept.look_one_by_one(swept.keys), swept.look_one_by_one(swept.keys[::-1])]
            if store.guarantees.listing is not Atomicity.NONE:
                looks.append(swept.look_at_once())
            looking = asyncio.gather(*looks)
            await turns(wait)
            await swept.sweep(store)
            assert await swept.listed() == [True] * SEVERAL
            await turns(5)
            swept.over = True
            await looking
            for session in await store.list_sessions():
                await store.delete_session(session.id)

    @pytest.mark.parametrize("method", SWEEPS)
    async def test_a_cancelled_sweep_is_whole_or_nothing(
        self, store: AtomicSessionStore, method: str
    ) -> None:
        """Cancelled at any await, a sweep has taken all of its sessions or none."""
        skip_what_is_refused(self, {method})
        for moment in moments():
            swept = Swept(store, method, f"m{moment}")
            await swept.create()
            task = asyncio.ensure_future(swept.sweep(store))
            await turns(moment)
            done = task.done()
            task.cancel()
            await asyncio.wait({task})
            answered(task)
            await self._settled(swept)
            found = await swept.listed()
            assert len(set(found)) == 1, f"cancelled after {moment} turns, it took {found}"
            assert found[0] or not done, "it was acknowledged and has no effect"
            if done:
                return
            for session in await store.list_sessions():
                await store.delete_session(session.id)

    async def _settled(self, swept: Swept) -> None:
        """A sweep may continue without its caller for a moment; wait until nothing changes."""
        for _ in range(50):
            first = await swept.listed()
            await turns(5)
            if first == await swept.listed() and len(set(first)) == 1:
                return
