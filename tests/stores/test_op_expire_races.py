"""Sweeps race active use: the first wins, and no ended session comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

import pytest
from sessionkeeper import (
    AtomicSessionStore,
    InvalidTransition,
    RevisionConflict,
    Session,
    SessionClosed,
    SessionNotFound,
    SessionState,
)

from tests.support.sessions import FakeClock, new_session, note, turns
from tests.support.stores import Design

owned_too = pytest.mark.parametrize("design", ["actor", "plain", "locked", "owned"], indirect=True)
"""With the owner around ten methods."""

USES: dict[str, Callable[[AtomicSessionStore, str], Awaitable[object]]] = {
    "add_frame": lambda store, key: store.add_frame(note(1, key)),
    "add_frames": lambda store, key: store.add_frames(key, [note(1, key)]),
    "touch": lambda store, key: store.touch_session(key),
    "modify": lambda store, key: store.modify_session(key, activated),
}


def activated(session: Session) -> Session:
    """A change that no ended session may make."""
    return session.model_copy(update={"state": SessionState.ACTIVE})


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("seed", range(3))
async def test_a_sweep_racing_active_use(design: Design, use: str, seed: int) -> None:
    """Each session was either used and lives, or ended and its user got an error."""
    clock, random = FakeClock(), Random(seed)
    keys = [f"s{n}" for n in range(64)]
    async with design(clock=clock.as_clock()) as store:
        for key in keys:
            await store.create_session(new_session(key))
        clock.advance(100)

        async def work(key: str) -> str | None:
            for _ in range(random.randint(0, 9)):
                await asyncio.sleep(0)
            try:
                await USES[use](store, key)
            except (SessionClosed, InvalidTransition):
                return None
            return key

        async def sweep() -> list[str]:
            ended: list[str] = []
            while page := await store.expire_sessions(idle=100, limit=5):
                ended.extend(session.id for session in page)
                await asyncio.sleep(0)
            return ended

        *worked, first, second = await asyncio.gather(*map(work, keys), sweep(), sweep())
        used = {key for key in worked if isinstance(key, str)}
        assert first is not None
        assert second is not None
        ended = [*first, *second]
        assert len(ended) == len(set(ended))
        assert used.isdisjoint(ended)
        assert used.union(ended) == set(keys)
        for session in await store.list_sessions():
            assert (session.ended_at is None) is (session.id in used)
            assert session.frame_count == (session.id in used and use.startswith("add"))
        counts = (await store.statistics()).sessions
        assert counts[SessionState.TIMED_OUT] == len(ended)
        assert sum(counts.values()) == 64
        assert min(counts.values()) >= 0


async def test_a_session_is_not_recreated_by_a_late_update(design: Design) -> None:
    """Whoever read it before it was ended, purged or created anew comes too late, and is told."""
    clock = FakeClock()
    async with design(clock=clock.as_clock()) as store:
        old = await store.create_session(new_session())
        clock.advance(10)
        (ended,) = await store.expire_sessions(idle=10)
        with pytest.raises(RevisionConflict):
            await store.update_session(activated(old))
        with pytest.raises(InvalidTransition):
            await store.update_session(activated(ended))
        clock.advance(1)
        assert await store.purge_sessions(ended_before=clock.moment()) == 1
        late: list[Callable[[], Awaitable[object]]] = [
            lambda: store.update_session(activated(old)),
            lambda: store.update_session(activated(ended)),
            lambda: store.modify_session("a", activated),
            lambda: store.add_frame(note()),
            lambda: store.touch_session("a"),
        ]
        for call in late:
            with pytest.raises(SessionNotFound):
                await call()
        assert await store.count_sessions() == 0
        new = await store.create_session(new_session())
        assert new.revision > ended.revision > old.revision
        for stale in (old, ended):
            with pytest.raises(RevisionConflict):
                await store.update_session(activated(stale))
        assert await store.get_session("a") == new


@owned_too
async def test_revisions_grow_with_every_expiry(design: Design) -> None:
    """One counter, never used again: a snapshot from before a sweep is stale."""
    clock = FakeClock()
    async with design(clock=clock.as_clock()) as store:
        created = [await store.create_session(new_session(f"s{n}")) for n in range(5)]
        ended = await store.expire_sessions(idle=0)
        revisions = [session.revision for session in created + ended]
        assert revisions == sorted(set(revisions))


@owned_too
async def test_a_cancelled_sweep_is_whole_or_not_at_all(design: Design) -> None:
    """Cancelled at any moment: all that were due, or none."""
    clock = FakeClock()
    for moment in range(6):
        async with design(clock=clock.as_clock()) as store:
            for n in range(20):
                await store.create_session(new_session(f"s{n}"))
            sweep = asyncio.create_task(store.expire_sessions(idle=0))
            await turns(moment)
            sweep.cancel()
            await asyncio.wait({sweep})
            await turns(20)
            ended = (await store.statistics()).sessions[SessionState.TIMED_OUT]
            assert ended in (0, 20)
            assert sweep.cancelled() or ended == 20


@owned_too
async def test_others_are_served_between_sweeps(design: Design) -> None:
    """A sweep of many is many short commands: a caller waits for one of them, not for all."""
    clock = FakeClock()
    async with design(clock=clock.as_clock()) as store:
        for n in range(500):
            await store.create_session(new_session(f"s{n}"))
        order: list[str] = []

        async def sweep() -> None:
            while await store.expire_sessions(idle=0, limit=10):
                order.append("sweep")
                await asyncio.sleep(0)

        async def read() -> None:
            await store.get_session("s0")
            order.append("read")

        await asyncio.gather(sweep(), read())
        assert order.count("sweep") == 50
        assert order.index("read") <= 2
