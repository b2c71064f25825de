"""Ending sessions past their time, and deleting ended ones past their retention."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from random import Random

import pytest
from sessionkeeper.interface.atomic_store import AtomicSessionStore
from sessionkeeper.values.errors import InvalidTransition, SessionClosed, SessionNotFound
from sessionkeeper.values.states import SessionState, SessionStatus

from .kit import AtomicStoreKit
from .promise import demand, needs
from .samples import FakeClock, become, held, new, note, numbers, turns

__all__ = ["ExpiryConformance"]

A_DAY = 86_400.0
FAR = timedelta(days=365)


class ExpiryConformance(AtomicStoreKit):
    @asynccontextmanager
    async def timed(self) -> AsyncGenerator[tuple[AtomicSessionStore, FakeClock]]:
        """A store and its clock."""
        clock = FakeClock()
        async with self.made(clock=clock.as_clock()) as store:
            yield store, clock

    @needs("expire_sessions")
    async def test_due_sessions_are_ended(self, store: AtomicSessionStore) -> None:
        """`expire_sessions`: ends those past their time (`timed-out`) and returns them."""
        created = await store.create_session(new(tags={"x"}))
        await store.add_frame(note(1))
        assert await store.expire_sessions(idle=A_DAY, age=A_DAY) == [], "it was not due"
        (ended,) = await store.expire_sessions(idle=0)
        assert (ended.state, ended.status) == (SessionState.TIMED_OUT, SessionStatus.TIMEOUT)
        assert ended == await store.get_session("a")
        assert ended.revision > created.revision
        assert ended.ended_at is not None
        assert (ended.tags, ended.frame_count) == (frozenset({"x"}), 1)
        assert numbers(await store.get_frames("a")) == [1], "expiry takes no frames"
        with pytest.raises(SessionClosed):
            await store.add_frame(note(2))
        with pytest.raises(InvalidTransition):
            await store.update_session(become("active")(ended))

    @needs("expire_sessions")
    async def test_ended_sessions_never_expire(self, store: AtomicSessionStore) -> None:
        """Every live state expires once; an ended session stays unchanged."""
        for state in SessionState:
            await store.create_session(new(state, state=state))
        live = {state for state in SessionState if not state.is_terminal}
        before = [each for each in await store.list_sessions() if each.state not in live]
        assert {each.id for each in await store.expire_sessions(idle=0, age=0)} == live
        assert await store.expire_sessions(idle=0, age=0) == []
        after = [each for each in await store.list_sessions() if each.id not in live]
        assert after == before

    @needs("expire_sessions")
    async def test_a_sweep_ends_at_most_its_limit(self, store: AtomicSessionStore) -> None:
        """`limit`: at most that many per call, the longest idle first."""
        keys = [f"s{n}" for n in range(5)]
        for key in keys:
            await store.create_session(new(key))
        first = await store.expire_sessions(idle=0, limit=2)
        assert len(first) == 2
        second = await store.expire_sessions(idle=0, limit=2)
        third = await store.expire_sessions(idle=0, limit=2)
        assert [each.id for each in (*first, *second, *third)] == keys

    @needs("expire_sessions", "clock")
    async def test_idle_counts_from_the_last_activity(self) -> None:
        """`idle`: seconds without activity; frames and changes are activity."""
        async with self.timed() as (store, clock):
            for key in "abc":
                await store.create_session(new(key))
            # An owner takes ages from the clock, and shows the times of the store behind it.
            shown = (await store.get_session("c")).created_at == clock.moment()
            clock.advance(8)
            await store.add_frame(note(id="a"))
            await store.update_session(become("active")(await store.get_session("b")))
            clock.advance(1.5)
            assert await store.expire_sessions(idle=10) == []
            clock.advance(0.5)
            (ended,) = await store.expire_sessions(idle=10)
            assert ended.id == "c"
            assert ended.ended_at == clock.moment() or not shown
            clock.advance(8)
            assert {each.id for each in await store.expire_sessions(idle=10)} == {"a", "b"}

    @needs("expire_sessions", "clock")
    async def test_age_counts_from_creation(self) -> None:
        """`age`: seconds since creation, whatever the activity; `idle` or `age` is enough."""
        async with self.timed() as (store, clock):
            await store.create_session(new("a"))
            clock.advance(8)
            await store.create_session(new("b"))
            await store.add_frame(note(id="a"))
            clock.advance(2)
            assert await store.expire_sessions(idle=10) == []
            assert [each.id for each in await store.expire_sessions(idle=10, age=10)] == ["a"]
            clock.advance(8)
            assert [each.id for each in await store.expire_sessions(idle=10, age=99)] == ["b"]

    @needs("expire_sessions", "clock")
    async def test_a_jump_of_the_wall_clock_ends_no_session(self) -> None:
        """Monotonic time for ages: a jump of the wall clock neither ends nor spares a session."""
        async with self.timed() as (store, clock):
            await store.create_session(new("a"))
            clock.wall += 1e9
            assert await store.expire_sessions(idle=10, age=10) == []
            clock.wall -= 2e9
            clock.steady += 10
            assert [each.id for each in await store.expire_sessions(idle=10)] == ["a"]

    @needs("expire_sessions")
    async def test_a_session_ends_after_its_own_moment(self, store: AtomicSessionStore) -> None:
        """`expires_at`: a sweep ends it from then on, whatever its activity; no other one."""
        created = await store.create_session(new("soon"))
        past, future = created.created_at - FAR, created.created_at + FAR
        far = await store.create_session(new("far", expires_at=future))
        assert far.expires_at == future, "expires_at was not stored"
        await store.update_session(created.model_copy(update={"expires_at": past}))
        await store.create_session(new("ended", state="closed", expires_at=past))
        await store.create_session(new("moved", expires_at=past))
        moved = await store.get_session("moved")
        await store.update_session(moved.model_copy(update={"expires_at": None}))
        await store.add_frame(note(1, "soon"))
        before = await store.get_session("ended")
        (ended,) = await store.expire_sessions()
        assert (ended.id, ended.state) == ("soon", SessionState.TIMED_OUT)
        assert (ended.expires_at, ended.frame_count) == (past, 1)
        assert await store.expire_sessions() == []
        assert await store.get_session("ended") == before, "an ended session changed"
        assert (await store.get_session("far")).ended_at is None
        assert (await store.get_session("moved")).ended_at is None

    @needs("expire_sessions", "clock")
    async def test_its_own_moment_counts_by_the_wall_clock(self) -> None:
        """`expires_at`: not a microsecond early; those that expired first go first."""
        async with self.timed() as (store, clock):
            for key, seconds in (("b", 20), ("a", 10), ("c", 30)):
                moment = clock.moment() + timedelta(seconds=seconds)
                await store.create_session(new(key, expires_at=moment))
            clock.advance(9.999_999)
            await store.add_frame(note(1, "a"))
            assert await store.expire_sessions(idle=A_DAY, age=A_DAY) == []
            clock.advance(0.000_001)
            await store.add_frame(note(2, "a"))
            assert [each.id for each in await store.expire_sessions()] == ["a"]
            clock.advance(50)
            assert [each.id for each in await store.expire_sessions(limit=1)] == ["b"]
            assert [each.id for each in await store.expire_sessions(limit=1)] == ["c"]
            assert await store.expire_sessions(limit=1) == []

    @needs("expire_sessions", "clock")
    async def test_a_sweep_races_active_use(self) -> None:
        """Check and change in one step: each session is used or ended, never both."""
        for seed in range(3):
            random = Random(seed)  # noqa: S311  # a seed, not a secret
            async with self.timed() as (store, clock):
                demand(store, "operation")
                keys = [f"s{n}" for n in range(24)]
                for key in keys:
                    await store.create_session(new(key))
                clock.advance(100)

                async def use(key: str, wait: int, store: AtomicSessionStore = store) -> str | None:
                    await turns(wait)
                    try:
                        await store.add_frame(note(1, key))
                    except SessionClosed:
                        return None
                    return key

                async def sweep(store: AtomicSessionStore = store) -> list[str]:
                    ended: list[str] = []
                    while page := await store.expire_sessions(idle=100, limit=4):
                        ended += [each.id for each in page]
                        await turns(1)
                    return ended

                sweeps = asyncio.gather(sweep(), sweep())
                told = await asyncio.gather(*(use(key, random.randrange(9)) for key in keys))
                used = {key for key in told if key is not None}
                ended = [key for some in await sweeps for key in some]
                assert len(ended) == len(set(ended)), "one session was ended twice"
                assert not used & set(ended), "a session in use was ended: its check was old"
                assert used | set(ended) == set(keys)
                for each in await store.list_sessions():
                    assert each.frame_count == (each.id in used)
                    assert (each.ended_at is None) is (each.id in used)

    @needs("purge_sessions")
    async def test_sessions_past_their_retention_are_deleted(
        self, store: AtomicSessionStore
    ) -> None:
        """`purge_sessions`: deletes ended ones past their retention, with their frames."""
        for key in "abc":
            await store.create_session(new(key))
            await store.add_frame(note(1, key))
        ended = await store.update_session(become("closed")(await store.get_session("b")))
        assert ended.ended_at is not None
        before = await held(store)
        assert await store.purge_sessions(ended_before=ended.ended_at) == 0, "before, not at"
        assert await store.purge_sessions(ended_before=ended.ended_at - FAR) == 0
        assert await store.purge_sessions(ended_for=A_DAY) == 0
        assert await store.purge_sessions(ended_before=ended.ended_at + FAR, ended_for=A_DAY) == 0
        assert await held(store) == before, "what was not due went, or changed"
        assert await store.purge_sessions(ended_before=ended.ended_at + FAR) == 1
        with pytest.raises(SessionNotFound):
            await store.get_frames("b")
        assert [each.id for each in await store.list_sessions()] == ["a", "c"]
        await store.create_session(new("b"))
        assert await store.get_frames("b") == []

    @needs("purge_sessions", "clock")
    async def test_a_moment_is_as_it_is_shown(self) -> None:
        """`ended_before`: a reported `ended_at` is not before itself."""
        async with self.timed() as (store, clock):
            for n in range(1, 20):
                clock.advance(n * 0.123_456_7)  # finer than a datetime shows
                ended = await store.create_session(new(f"s{n}", state="closed"))
                assert ended.ended_at is not None
                assert await store.purge_sessions(ended_before=ended.ended_at) == 0
                assert await store.purge_sessions(ended_before=ended.ended_at + FAR) == 1

    @needs("purge_sessions")
    async def test_those_that_ended_first_go_first(self, store: AtomicSessionStore) -> None:
        """`limit`: at most that many, those that ended first."""
        for key in "abcd":
            await store.create_session(new(key))
        for key in "cad":
            await store.update_session(become("failed")(await store.get_session(key)))
        assert await store.purge_sessions(ended_for=0, limit=2) == 2
        assert [each.id for each in await store.list_sessions()] == ["b", "d"]
        assert await store.purge_sessions(ended_for=0, limit=2) == 1
        assert await store.purge_sessions(ended_for=0, limit=2) == 0

    @needs("purge_sessions", "clock")
    async def test_retention_counts_from_the_end(self) -> None:
        """`ended_for`: seconds that no jump of the wall clock can shorten."""
        async with self.timed() as (store, clock):
            session = await store.create_session(new())
            clock.advance(100)
            await store.update_session(become("closed")(session))
            clock.advance(9.5)
            clock.wall += 1e9
            assert await store.purge_sessions(ended_for=10) == 0
            clock.steady += 0.5
            assert await store.purge_sessions(ended_for=10) == 1

    @needs("purge_sessions", "expire_sessions", "clock")
    async def test_retention_of_an_expired_session_counts_from_its_end(self) -> None:
        """Retention counts from the end of a session, not from its last activity."""
        async with self.timed() as (store, clock):
            await store.create_session(new())
            clock.advance(100)
            assert len(await store.expire_sessions(idle=50)) == 1
            assert await store.purge_sessions(ended_for=10) == 0
            clock.advance(10)
            assert await store.purge_sessions(ended_for=10) == 1
