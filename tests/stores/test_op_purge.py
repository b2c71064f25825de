"""`purge_sessions(*, ended_before, limit)`: deletes ended ones past their retention."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta, timezone

import pytest
from sessionkeeper import AtomicSessionStore, SessionNotFound, SessionState

from tests.support.sessions import FakeClock, close_session, fill, new_session
from tests.support.stores import Design

owned_too = pytest.mark.parametrize("design", ["actor", "plain", "locked", "owned"], indirect=True)
"""With the owner around ten methods."""


async def ended(store: AtomicSessionStore, clock: FakeClock, count: int) -> list[datetime]:
    """Make sessions that end a second apart, with a live one between; when each ended."""
    moments: list[datetime] = []
    for n in range(count):
        await store.create_session(new_session(f"live{n}"))
        await store.create_session(new_session(f"s{n}"))
        await fill(store, 3, f"s{n}")
    for n in range(count):
        clock.advance(1)
        moments.append(clock.moment())
        await close_session(store, f"s{n}")
    clock.advance(1)
    return moments


@owned_too
async def test_those_that_ended_before_are_deleted(design: Design) -> None:
    """With their frames; not one that ended at that very moment, and no live one."""
    clock = FakeClock()
    async with design(clock=clock.as_clock()) as store:
        moments = await ended(store, clock, 6)
        assert await store.purge_sessions(ended_before=moments[0]) == 0
        assert await store.purge_sessions(ended_before=moments[3]) == 3
        left = {session.id for session in await store.list_sessions()}
        assert left == {f"live{n}" for n in range(6)} | {"s3", "s4", "s5"}
        assert (await store.statistics()).frames == 9
        with pytest.raises(SessionNotFound):
            await store.get_frames("s0")
        assert await store.purge_sessions(ended_before=clock.moment()) == 3
        assert await store.purge_sessions(ended_before=clock.moment()) == 0
        assert await store.count_sessions() == 6
        now = await store.statistics()
        assert (now.frames, now.bytes or 0, sum(now.sessions.values())) == (0, 0, 6)


@owned_too
async def test_a_purge_is_bounded_and_takes_the_first_ended_first(design: Design) -> None:
    """`limit`."""
    clock = FakeClock()
    async with design(clock=clock.as_clock()) as store:
        await ended(store, clock, 5)
        assert await store.purge_sessions(ended_before=clock.moment(), limit=2) == 2
        left = [each.id for each in await store.list_sessions() if each.ended_at]
        assert left == ["s2", "s3", "s4"]


@owned_too
async def test_a_moment_is_equal_in_every_time_zone(design: Design) -> None:
    """An imported session that has ended from the start counts from its creation."""
    clock = FakeClock()
    async with design(clock=clock.as_clock()) as store:
        await store.create_session(new_session(state="failed"))
        zone = timezone(timedelta(hours=-3, minutes=-30))
        at = clock.moment().astimezone(zone)
        assert await store.purge_sessions(ended_before=at) == 0
        assert await store.purge_sessions(ended_before=at + timedelta(microseconds=1)) == 1


@owned_too
async def test_late_changes_do_not_keep_an_ended_session(design: Design) -> None:
    """Its place is that of its end, whatever is changed afterwards."""
    clock = FakeClock()
    async with design(clock=clock.as_clock()) as store:
        moments = await ended(store, clock, 2)
        await store.modify_session("s0", lambda s: s.model_copy(update={"tags": {"late"}}))
        await store.delete_frames("s0")
        assert await store.purge_sessions(ended_before=moments[1]) == 1
        assert {each.id for each in await store.list_sessions() if each.ended_at} == {"s1"}


@owned_too
async def test_the_expired_can_be_purged(design: Design) -> None:
    """The retention of a session that a sweep ended begins then."""
    clock = FakeClock()
    async with design(clock=clock.as_clock()) as store:
        await store.create_session(new_session())
        clock.advance(10)
        await store.expire_sessions(idle=5)
        assert await store.purge_sessions(ended_before=clock.moment()) == 0
        clock.advance(1)
        assert await store.purge_sessions(ended_before=clock.moment()) == 1


@owned_too
async def test_purgers_race_without_purging_twice(design: Design) -> None:
    """Each session goes once; a reader sees it whole or not at all."""
    clock = FakeClock()
    async with design(clock=clock.as_clock()) as store:
        await ended(store, clock, 40)

        async def read(n: int) -> int:
            try:
                return len(await store.get_frames(f"s{n}"))
            except SessionNotFound:
                return 3

        purging = [store.purge_sessions(ended_before=clock.moment(), limit=7) for _ in range(8)]
        reading = asyncio.gather(*(read(n) for n in range(40)))
        counts = await asyncio.gather(*purging)
        assert sum(counts) == 40
        assert await reading == [3] * 40


async def test_retention_does_not_depend_on_the_wall_clock(design: Design) -> None:
    """`ended_for`: a wall clock that jumps, forwards or back, changes nothing."""
    clock = FakeClock()
    async with design(clock=clock.as_clock()) as store:
        await ended(store, clock, 3)  # 3, 2 and 1 seconds ago
        for jump in (10**6, -(2 * 10**6)):
            clock.wall += jump
            assert await store.purge_sessions(ended_for=3.5) == 0
        assert await store.purge_sessions(ended_for=2) == 2
        clock.wall += 10**6
        assert await store.purge_sessions(ended_for=2) == 0
        clock.steady += 1
        assert await store.purge_sessions(ended_for=2) == 1
        assert await store.purge_sessions(ended_for=0) == 0


async def test_both_retention_conditions_must_hold(design: Design) -> None:
    """A moment and a span; one of them is needed."""
    clock = FakeClock()
    async with design(clock=clock.as_clock()) as store:
        await ended(store, clock, 3)
        now = clock.moment()
        assert await store.purge_sessions(ended_before=now, ended_for=4) == 0
        assert await store.purge_sessions(ended_before=now - timedelta(9), ended_for=0) == 0
        assert await store.purge_sessions(ended_before=now, ended_for=3) == 1
        with pytest.raises(ValueError, match="ended_before or ended_for"):
            await store.purge_sessions()


async def test_an_archived_session_has_its_age_to_the_microsecond(design: Design) -> None:
    """However long the machine runs already."""
    clock = FakeClock()
    clock.steady = 5_000_000.0
    async with design(clock=clock.as_clock()) as store:
        live = await store.create_session(new_session("s"))
        end = clock.moment() - timedelta(seconds=60)
        times = {"created_at": end, "last_activity": end, "ended_at": end}
        old = live.model_copy(update={"state": SessionState.CLOSED, **times})
        await store.archive_session(old, expected_last_seq=0)
        assert await store.purge_sessions(ended_for=60.001) == 0
        assert await store.purge_sessions(ended_for=59.999) == 1
