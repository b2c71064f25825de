"""`sessions_full`: which session is evicted for a new one, and none for a refused one."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from sessionkeeper import (
    LimitExceeded,
    SessionExists,
    SessionsFull,
    SessionState,
    StoreLimits,
    VersionConflict,
)
from sessionkeeper.stores.facade import CommandStore

from tests.support.events import EventLog
from tests.support.sessions import FakeClock, close_session, fill, new_session, note
from tests.support.stores import Design

if TYPE_CHECKING:
    from sessionkeeper import AtomicSessionStore


EVICTING = [SessionsFull.EVICT_ENDED, SessionsFull.EVICT_IDLE]


def limits(policy: SessionsFull, maximum: int = 4, **more: Any) -> StoreLimits:
    """Limits with at most this many sessions."""
    return StoreLimits(max_sessions=maximum, sessions_full=policy, **more)


async def ids(store: AtomicSessionStore) -> str:
    """The sessions there are, in order of creation."""
    return "".join(session.id for session in await store.list_sessions())


async def counted(store: AtomicSessionStore) -> tuple[int, int, int]:
    """Created, evicted, there."""
    now = await store.statistics()
    return now.counters.created, now.counters.evicted, sum(now.sessions.values())


async def test_reject_evicts_no_session_even_an_ended_one(design: Design) -> None:
    """The default: a store never evicts on its own."""
    assert StoreLimits().sessions_full is SessionsFull.REJECT
    async with design(limits=limits(SessionsFull.REJECT, 2)) as store:
        for key in "ab":
            await store.create_session(new_session(key, state="closed"))
        with pytest.raises(LimitExceeded, match="max_sessions"):
            await store.create_session(new_session("c"))
        assert (await ids(store), await counted(store)) == ("ab", (2, 0, 2))


@pytest.mark.parametrize("policy", EVICTING)
async def test_the_first_ended_goes_first(design: Design, policy: SessionsFull) -> None:
    """In the order of their ends, not of creation or activity, and before every live one."""
    clock = FakeClock()
    async with design(limits=limits(policy), clock=clock.as_clock()) as store:
        for key in "abcd":
            await store.create_session(new_session(key))
        for key in "ca":
            clock.advance(1)
            await close_session(store, key)
        await store.modify_session("c", lambda s: s.model_copy(update={"tags": {"late"}}))
        await store.create_session(new_session("e"))
        assert await ids(store) == "abde"
        await store.get_or_create_session(new_session("f"))
        assert await ids(store) == "bdef"
        assert await counted(store) == (6, 2, 4)


async def test_evict_ended_spares_the_live(design: Design) -> None:
    """When none has ended, the new one is refused."""
    async with design(limits=limits(SessionsFull.EVICT_ENDED, 2)) as store:
        for key in "ab":
            await store.create_session(new_session(key))
        with pytest.raises(LimitExceeded) as refused:
            await store.create_session(new_session("c"))
        error = refused.value
        assert (error.limit, error.current, error.maximum) == ("max_sessions", 2, 2)
        assert (await ids(store), await counted(store)) == ("ab", (2, 0, 2))
        await close_session(store, "b")
        await store.create_session(new_session("c"))
        assert await ids(store) == "ac"


async def test_evict_idle_takes_the_least_recently_active(design: Design) -> None:
    """When none has ended; frames, changes and touches are activity, reading is not."""
    clock = FakeClock()
    async with design(limits=limits(SessionsFull.EVICT_IDLE), clock=clock.as_clock()) as store:
        for key in "abcd":
            clock.advance(1)
            await store.create_session(new_session(key))
        clock.advance(1)
        await store.add_frame(note(1, "a"))
        await store.touch_session("b")
        await store.modify_session("c", lambda s: s.model_copy(update={"tags": {"x"}}))
        await store.get_session("d")
        await store.get_frames("d")
        for key in "efg":
            await store.create_session(new_session(key))
        assert await ids(store) == "cefg"
        assert (await store.statistics()).frames == 0  # those of a went with it
        assert await counted(store) == (7, 3, 4)


async def test_the_session_being_created_is_never_evicted(design: Design) -> None:
    """This holds even if it is the only one allowed, and if it has ended already."""
    async with design(limits=limits(SessionsFull.EVICT_IDLE, 1)) as store:
        for key, state in zip("abcd", ("active", "closed", "closed", "active"), strict=True):
            created = await store.create_session(new_session(key, state=state))
            assert await store.list_sessions() == [created]
        assert await counted(store) == (4, 3, 1)


@pytest.mark.parametrize("ended", [True, False])
async def test_a_refused_create_evicts_no_session(design: Design, ended: bool) -> None:
    """Too much metadata, an id that is taken, a version that may not be; counted as refusals."""
    full = limits(SessionsFull.EVICT_IDLE, 2, max_metadata_bytes=50)
    async with design(limits=full) as store:
        for key in "ab":
            await store.create_session(new_session(key, state="closed" if ended else "active"))
        log = EventLog(store)
        version = {"negotiated": "2025-06-18", "transport": "2024-11-05"}
        for session, error in (
            (new_session("c", metadata={"x": "y" * 50}), LimitExceeded),
            (new_session("a"), SessionExists),
            (new_session("c", version_state=version), VersionConflict),
        ):
            with pytest.raises(error):
                await store.create_session(session)
        assert (await ids(store), await counted(store), log.take()) == ("ab", (2, 0, 2), [])
        refusals = (await store.statistics()).refusals
        assert refusals == {"LimitExceeded": 1, "SessionExists": 1, "VersionConflict": 1}


async def test_racing_creators_never_exceed_max_sessions(design: Design) -> None:
    """64 callers, each answered; a full store is neither over nor below its limit."""
    async with design(limits=limits(SessionsFull.EVICT_IDLE, 10)) as store:
        log = EventLog(store)
        seen: set[int] = set()
        for n in range(10):
            await store.create_session(new_session(f"first{n}"))

        async def caller(n: int) -> None:
            for turn in range(10):
                key = f"s{n}-{turn}"
                assert (await store.create_session(new_session(key))).id == key
                seen.add(await store.count_sessions())
                seen.add(len(await store.list_sessions()))

        await asyncio.gather(*(caller(n) for n in range(64)))
        assert seen == {10}
        assert await counted(store) == (650, 640, 10)
        there = {session.id for session in await store.list_sessions()}
        # Exactly those that were created and not evicted, each of both at most once.
        created = [e.session.id for e in log.events if e.kind == "created"]
        evicted = [e.session.id for e in log.events if e.kind == "evicted"]
        assert len(set(created)) == len(created) == 650
        assert len(set(evicted)) == len(evicted) == 640
        assert set(created) - set(evicted) == there


async def test_racing_evictions_never_exceed_the_limit(design: Design) -> None:
    """With `evict-ended` as many get in as there were ended ones, and no more."""
    async with design(limits=limits(SessionsFull.EVICT_ENDED, 20)) as store:
        for n in range(20):
            state = SessionState.CLOSED if n % 2 else SessionState.ACTIVE
            await store.create_session(new_session(f"old{n}", state=state))
        calls = (store.create_session(new_session(f"new{n}")) for n in range(64))
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert sum(isinstance(answer, LimitExceeded) for answer in answers) == 54
        assert await counted(store) == (30, 10, 20)
        assert all(not session.state.is_terminal for session in await store.list_sessions())


async def test_watchers_of_an_evicted_session_end(design: Design) -> None:
    """They end as at a deletion; waiting ones are woken."""
    async with design(limits=limits(SessionsFull.EVICT_IDLE, 1)) as store:
        await store.create_session(new_session("a"))
        await fill(store, 2)
        seen: list[list[int]] = [[], [], []]

        async def watch(into: list[int]) -> None:
            async for frame in store.watch_frames("a"):
                into.append(frame.seq)

        watchers = [asyncio.create_task(watch(into)) for into in seen]
        while seen != [[1, 2]] * 3:  # in a file they read beside the writer, in their own time
            await asyncio.sleep(0)
        await store.create_session(new_session("b"))
        await asyncio.gather(*watchers)
        assert seen == [[1, 2]] * 3
        assert isinstance(store, CommandStore)
        assert len(store._wakeups) == 0


async def test_an_evicted_id_can_come_back_as_another_session(design: Design) -> None:
    """Numbered from 1, and an old snapshot cannot overwrite it."""
    async with design(limits=limits(SessionsFull.EVICT_IDLE, 1)) as store:
        first = await store.create_session(new_session("a"))
        await fill(store, 3)
        await store.create_session(new_session("b"))
        again = await store.create_session(new_session("a"))
        assert again.revision > first.revision
        assert await store.add_frame(note()) == 1


async def test_evicting_beside_other_work_finishes(design: Design) -> None:
    """No caller waits forever, whatever runs on the evicted session."""
    async with design(limits=limits(SessionsFull.EVICT_IDLE, 5)) as store:

        async def caller(n: int) -> None:
            for turn in range(20):
                key = f"s{(n * 7 + turn) % 12}"
                work: list[Any] = [
                    store.get_or_create_session(new_session(key)),
                    store.add_frame(note(0, key)),
                    store.touch_session(key),
                    close_session(store, key),
                    store.expire_sessions(idle=0, limit=1),
                ]
                if turn % 4 == n % 4:
                    work += [store.delete_session(key), store.purge_sessions(ended_for=0, limit=1)]
                await asyncio.gather(*work, return_exceptions=True)

        async with asyncio.timeout(300):
            await asyncio.gather(*(caller(n) for n in range(16)))
        now = await store.statistics()
        assert now.counters.evicted > 0
        held = replace(now, mailbox=None)
        assert sum(held.sessions.values()) == await store.count_sessions() <= 5
